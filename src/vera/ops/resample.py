"""FIR resampling with StyleGAN2's binomial kernel [1, 3, 3, 1], zero outside the image. Double-differentiable."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def upsample(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
    """Double the size.

    Inside, the kernel [1, 3, 3, 1] / 4 *is* bilinear interpolation; a frame of zeros makes the border the FIR filter's too,
    so that no intermediate at the doubled size with inserted zeros is ever built.
    """
    return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2, 2:-2]


def downsample(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h/2 w/2"]:
    """Halve the size with the same kernel, [1, 3, 3, 1] / 8 in each direction."""
    return F.avg_pool2d(_pairs(_pairs(F.pad(x, (1, 1, 1, 1)))), 2)


def blur_after_transposed(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h-1 w-1"]:
    """The filter that follows a stride-2 transposed convolution of kernel 3: [1, 3, 3, 1] / 4, padded by (1, 1)."""
    return 4 * _pairs(_pairs(_pairs(F.pad(x, (1, 1, 1, 1)))))


def _pairs(x: Tensor) -> Tensor:
    """Mean of 2×2 neighbours: three of these in a row are the binomial kernel."""
    return F.avg_pool2d(x, 2, stride=1)
