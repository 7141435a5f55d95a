"""The render net: coarse map to image and refined segmentation (SemanticStyleGAN, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.ops.layers import leaky
from vera.ops.resample import blur_after_transposed, downsample, upsample


class RenderConv(nn.Module):
    """3×3 convolution with a fixed modulation vector, demodulation and stored noise; optionally doubles the size.

    Args:
        inputs: input channels.
        outputs: output channels.
        size: side of the output.
        up: double the size (transposed convolution, then the FIR filter).

    """

    noise: Tensor

    def __init__(self, inputs: int, outputs: int, *, size: int, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, size, size))
        self.scale, self.up = 1 / math.sqrt(inputs * 9), up

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Convolve; the noise is the stored one, so that equal codes give equal images."""
        weight = self.weight * self.modulation * self.scale
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        y = self._double(x, weight) if self.up else F.conv2d(x, weight, padding=1)
        return leaky(y + self.noise_strength * self.noise + self.bias[:, None, None])

    @staticmethod
    def _double(x: Tensor, weight: Tensor) -> Tensor:
        return blur_after_transposed(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))


class Head(nn.Module):
    """1×1 output convolution with a fixed modulation vector, not demodulated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        """Project features to an output increment."""
        return F.conv2d(x, self.weight * self.modulation * self.scale, self.bias)


class Renderer(nn.Module):
    """Up-sampling convolutions with skip outputs for image and segmentation.

    Args:
        size: side of the image.
        coarse_size: side of the coarse map.
        start_size: side at which rendering starts; the coarse map is joined again where its own size is reached.
        coarse_channels: channels of the coarse map.
        channels: channels at each size from ``start_size`` to ``size``.
        classes: K.

    """

    def __init__(
        self, *, size: int, coarse_size: int, start_size: int, coarse_channels: int, channels: Mapping[int, int], classes: int
    ) -> None:
        super().__init__()
        sizes = [start_size * 2**n for n in range(int(math.log2(size // start_size)) + 1)]
        missing = [s for s in sizes if s not in channels]
        if missing or sizes[-1] != size or coarse_size not in sizes:
            raise ValueError(f"renderer: sizes {sizes} need channels {dict(channels)} and must hold the coarse size {coarse_size}")
        self.sizes, self.coarse_size = sizes, coarse_size
        width = channels[start_size]
        self.first = RenderConv(coarse_channels, width, size=start_size, up=False)
        self.ups, self.convs = nn.ModuleList(), nn.ModuleList()
        self.to_image, self.to_segmentation = nn.ModuleList([Head(width, 3)]), nn.ModuleList([Head(width, classes)])
        for side in sizes[1:]:
            self.ups.append(RenderConv(width, channels[side], size=side, up=True))
            width = channels[side]
            joined = width + (coarse_channels if side == coarse_size else 0)
            self.convs.append(RenderConv(joined, width, size=side, up=False))
            self.to_image.append(Head(width, 3))
            self.to_segmentation.append(Head(width, classes))

    def forward(
        self, coarse: Float[Tensor, "b f s s"], segmentation: Float[Tensor, "b k s s"]
    ) -> tuple[Float[Tensor, "b 3 h h"], Float[Tensor, "b k h h"]]:
        """Render.

        Args:
            coarse: the coarse feature map.
            segmentation: the coarse segmentation in 2p - 1: the skip of the segmentation branch.

        Returns:
            Image (nominally [-1, 1]) and segmentation (2p - 1, unbounded).

        """
        x, skip = coarse, segmentation
        while x.shape[-1] > self.sizes[0]:
            x, skip = downsample(x), downsample(skip)
        x = self.first(x)
        image, refined = self.to_image[0](x), skip + self.to_segmentation[0](x)
        for n, side in enumerate(self.sizes[1:]):
            x = self.ups[n](x)
            x = self.convs[n](torch.cat([x, coarse], dim=1) if side == self.coarse_size else x)
            image = upsample(image) + self.to_image[n + 1](x)
            refined = upsample(refined) + self.to_segmentation[n + 1](x)
        return image, refined
