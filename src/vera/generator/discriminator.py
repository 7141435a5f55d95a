"""The dual-branch discriminator: does this image look real, does this segmentation, and do they belong together?

SemanticStyleGAN, section 3.4: a StyleGAN2 discriminator (Karras et al. 2020) with one residual branch for the image and one for
the segmentation, summed at 4×4 pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vera.ops.layers import EqualizedConv, EqualizedLinear
from vera.ops.resample import blur, downsample
from vera.types import VeraError


def minibatch_deviation(x: Float[Tensor, "b c h w"], group: int) -> Float[Tensor, "b 1 h w"]:
    """Mean standard deviation within groups of the batch (Karras et al. 2018, section 3): a fake batch lacks variety.

    Args:
        x: features of the batch.
        group: members of a group, at most; group g of G holds the samples g, g + G, g + 2G, ...

    Raises:
        VeraError: for a batch that can't be dealt into full groups.

    """
    batch = len(x)
    members = min(batch, group)
    if batch % members:
        raise VeraError(f"the discriminator compares samples in groups of {members}: a batch of {batch} must be a multiple of it")
    grouped = x.view(members, -1, *x.shape[1:])
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(members)[:, None, None, None].expand(-1, 1, *x.shape[2:])


class ResidualBlock(nn.Module):
    """Half the size: two convolutions beside a 1×1 skip, both behind the FIR filter, their sum divided by √2.

    The division is part of both addends' gains. The skip is filtered and decimated before the 1×1 convolution, which so sees a
    quarter of the pixels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualizedConv(inputs, inputs)
        self.conv2 = EqualizedConv(inputs, outputs, stride=2, padding=0, gain=1.0)  # √2 of the activation / √2 of the sum
        self.skip = EqualizedConv(inputs, outputs, kernel=1, bias=False, activation=False, gain=1 / math.sqrt(2))

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h/2 w/2"]:
        """Apply the block."""
        halved: Tensor = self.conv2(blur(self.conv1(x), padding=2)) + self.skip(downsample(x))
        return halved


class Branch(nn.Module):
    """A 1×1 layer and residual blocks down to 4×4 pixels.

    Args:
        inputs: number of input channels.
        widths: channels at each size, from the largest down to 4.
        checkpointing: keep only the blocks' inputs for the backward pass and compute the rest again.

    """

    def __init__(self, inputs: int, *, widths: list[int], checkpointing: bool) -> None:
        super().__init__()
        self.first = EqualizedConv(inputs, widths[0], kernel=1)
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in itertools.pairwise(widths))
        self.checkpointing = checkpointing

    def forward(self, x: Float[Tensor, "b i s s"]) -> Float[Tensor, "b o 4 4"]:
        """Features of image or segmentation."""
        x = self.first(x.contiguous(memory_format=torch.channels_last))  # every convolution after it keeps this format
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.checkpointing and torch.is_grad_enabled() else block(x)
        return x


class Discriminator(nn.Module):
    """Image and segmentation to one logit, positive for real.

    Args:
        size: side S of the image, a power of two, at least 8.
        classes: number of semantic classes K.
        channels: channels at each side from 4 to S; keys may be strings (they pass through JSON and YAML).
        group: samples compared by the minibatch standard deviation (4 as published).
        checkpointing: trade a second forward pass for the memory of the residual blocks' activations.

    Raises:
        VeraError: when a size lacks its channels.

    """

    def __init__(self, *, size: int, classes: int, channels: Mapping[int | str, int], group: int, checkpointing: bool = False) -> None:
        super().__init__()
        by_side = {int(side): int(width) for side, width in channels.items()}
        sides = [4 * 2**n for n in range(int(math.log2(size)) - 1)][::-1]
        if not sides or sides[0] != size or any(side not in by_side for side in sides):
            raise VeraError(f"discriminator: size {size} must be a power of two with channels for every side from 4 up, not {by_side}")
        self.config: dict[str, Any] = {
            "size": size,
            "classes": classes,
            "channels": {side: by_side[side] for side in sides},
            "group": group,
            "checkpointing": checkpointing,
        }
        self.size, self.classes, self.group = size, classes, group
        widths = [by_side[side] for side in sides]
        self.image = Branch(3, widths=widths, checkpointing=checkpointing)
        self.segmentation = Branch(classes, widths=widths, checkpointing=checkpointing)
        self.final_conv = EqualizedConv(widths[-1] + 1, widths[-1])
        self.hidden = EqualizedLinear(16 * widths[-1], widths[-1], activation=True)
        self.logit = EqualizedLinear(widths[-1], 1)

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, " b"]:
        """Judge pairs.

        Args:
            images: images, values in [-1, 1].
            segmentations: segmentations in 2p - 1, values nominally in [-1, 1].

        Raises:
            VeraError: for another size or number of classes, and see :func:`minibatch_deviation`.

        """
        expected = (len(images), self.classes, self.size, self.size)
        if images.shape[1:] != (3, self.size, self.size) or segmentations.shape != expected:
            raise VeraError(
                f"the discriminator takes images (B, 3, {self.size}, {self.size}) and segmentations (B, {self.classes}, {self.size}, "
                f"{self.size}), not {tuple(images.shape)} and {tuple(segmentations.shape)}"
            )
        x = self.image(images) + self.segmentation(segmentations)
        with torch.autocast(x.device.type, enabled=False):  # the last layers are small and decide: full precision
            x = x.to(self.logit.weight.dtype)
            x = self.final_conv(torch.cat([x, minibatch_deviation(x, self.group)], dim=1))
            logits: Tensor = self.logit(self.hidden(x.flatten(1)))
        return logits[:, 0]
