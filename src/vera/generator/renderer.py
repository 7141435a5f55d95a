"""The render net: coarse map to image and refined segmentation (SemanticStyleGAN, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vera.ops.layers import SQRT2
from vera.ops.resample import blur_after_transposed, upsample
from vera.types import VeraError


class RenderConv(nn.Module):
    """3×3 convolution with a fixed modulation vector, demodulation, noise, bias and leaky ReLU; optionally doubles the size.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        size: side of the output.
        up: double the size (transposed convolution, then the FIR filter).

    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, *, size: int, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(1))
        self.register_buffer("noise", torch.randn(1, 1, size, size))
        self.scale, self.up = 1 / math.sqrt(inputs * 9), up

    def forward(self, x: Float[Tensor, "b i h w"], noise: Tensor | None = None) -> Float[Tensor, "b o h2 w2"]:
        """Convolve.

        Args:
            x: input features of the convolution.
            noise: ``(B or 1, 1, h2, w2)``, standard normal; None takes the stored one, so that equal codes give equal images.

        """
        rows = self.weight.flatten(1) * (self.modulation * self.scale).expand(-1, -1, 3, 3).flatten(1)
        # The activation's gain is applied to what goes into it: it passes through a leaky ReLU, and the weights are small.
        rows = rows * (SQRT2 * torch.rsqrt(rows.square().sum(dim=1, keepdim=True) + 1e-8))
        weight, bias, strength = rows.view_as(self.weight), SQRT2 * self.bias, SQRT2 * self.noise_strength
        # In place from here on: nothing of it is kept for the backward pass, and a fresh map costs more than the sums, as do sums
        # of two types (autocast's).
        if self.up:
            y = blur_after_transposed(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
            y.add_(bias[:, None, None].to(y.dtype))
        else:
            y = F.conv2d(x, weight, bias, padding=1)
        y.add_((strength * (self.noise if noise is None else noise)).to(y.dtype))
        return F.leaky_relu(y, 0.2, inplace=True)


class Head(nn.Module):
    """1×1 output convolution with a fixed modulation vector, not demodulated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs)

    def modulated(self) -> Float[Tensor, "o i 1 1"]:
        """The weights that are used."""
        return self.weight * (self.modulation * self.scale)


def project(x: Float[Tensor, "b i h w"], heads: Sequence[Head]) -> Float[Tensor, "b o h w"]:
    """All heads' outputs as one map: the features, by far the largest there is, are read once."""
    return F.conv2d(x, torch.cat([head.modulated() for head in heads]), torch.cat([head.bias for head in heads]))


class RenderNetwork(nn.Module):
    """Up-sampling convolutions with skip outputs for image and segmentation.

    Args:
        size: side of the image.
        coarse_size: side of the coarse map, which is joined again where rendering goes on from this side.
        start_size: side that the coarse map is averaged down to before rendering (the published ``min_feat_size``).
        coarse_channels: channels of the coarse map.
        channels: channels at each side from ``2 start_size`` to ``size``.
        classes: number of semantic classes K.

    """

    def __init__(
        self, *, size: int, coarse_size: int, start_size: int, coarse_channels: int, channels: Mapping[int, int], classes: int
    ) -> None:
        super().__init__()
        self.sides = [start_size * 2**n for n in range(1, int(math.log2(size // start_size)) + 1)]
        missing = [side for side in self.sides if side not in channels]
        if missing or not self.sides or self.sides[-1] != size or coarse_size not in self.sides:
            raise ValueError(
                f"renderer: sides {self.sides} need channels {dict(channels)}, must end at the image's {size} "
                f"and hold the coarse map's {coarse_size}"
            )
        self.start_size, self.coarse_size = start_size, coarse_size
        self.checkpointing = False
        self.convs, self.to_image, self.to_segmentation = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width = coarse_channels
        for side in self.sides:
            joined = width + (coarse_channels if side // 2 == coarse_size else 0)
            width = channels[side]
            self.convs.append(RenderConv(joined, width, size=side, up=True))
            self.convs.append(RenderConv(width, width, size=side, up=False))
            self.to_image.append(Head(width, 3))
            self.to_segmentation.append(Head(width, classes))

    def forward(
        self, coarse: Float[Tensor, "b f s s"], segmentation: Float[Tensor, "b k s s"], noise: Sequence[Tensor] | None = None
    ) -> tuple[Float[Tensor, "b 3 h h"], Float[Tensor, "b k h h"]]:
        """Render.

        Args:
            coarse: the coarse feature map.
            segmentation: the coarse segmentation in 2p - 1: the skip of the segmentation branch.
            noise: one map for each convolution; None takes the stored ones.

        Returns:
            Image (nominally [-1, 1]) and segmentation (2p - 1, unbounded).

        """
        maps: Sequence[Tensor | None] = [None] * len(self.convs) if noise is None else noise
        if len(maps) != len(self.convs):
            raise VeraError(f"renderer: {len(maps)} noise maps for {len(self.convs)} convolutions")
        coarse = coarse.contiguous(memory_format=torch.channels_last)  # every convolution after it keeps this format
        x = F.avg_pool2d(coarse, self.coarse_size // self.start_size)
        # Image and segmentation as one map; of the parameters' type under autocast, too.
        both = self.convs[0].get_parameter("bias").new_zeros(1, 1, 1, 1)
        for n, side in enumerate(self.sides):
            if side // 2 == self.coarse_size:
                x = torch.cat([x, coarse], dim=1)
            x = self._call(self.convs[2 * n], x, maps[2 * n])
            x = self._call(self.convs[2 * n + 1], x, maps[2 * n + 1])
            heads: Any = (self.to_image[n], self.to_segmentation[n])
            both = (upsample(both) if n else both) + project(x, heads)
            if side == self.coarse_size:
                both = both + F.pad(segmentation, (0, 0, 0, 0, 3, 0))
        return both[:, :3], both[:, 3:]

    def _call(self, module: Callable[..., Tensor], *arguments: Any) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            recomputed: Tensor = checkpoint(module, *arguments, use_reentrant=False)
            return recomputed
        return module(*arguments)
