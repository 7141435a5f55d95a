"""FIR resampling with StyleGAN2's binomial kernel [1, 3, 3, 1], zero outside the image. Double-differentiable.

Each filter is one depthwise convolution with the constant 4×4 kernel: strided where it halves, transposed where it doubles, so
that no zeros are inserted and nothing is computed that is then thrown away.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def upsample(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
    """Double the size: [1, 3, 3, 1] / 4 in each direction."""
    with _own_precision(x):
        return F.conv_transpose2d(x, _kernel(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def downsample(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h/2 w/2"]:
    """Halve the size: [1, 3, 3, 1] / 8 in each direction."""
    with _own_precision(x):
        return F.conv2d(x, _kernel(x, 1.0), stride=2, padding=1, groups=x.shape[1])


def blur(x: Float[Tensor, "b c h w"], *, padding: int, gain: float = 1.0) -> Float[Tensor, "b c h2 w2"]:
    """[1, 3, 3, 1] / 8 in each direction, times ``gain``, after ``padding`` zeros on every side."""
    with _own_precision(x):
        return F.conv2d(x, _kernel(x, gain), padding=padding, groups=x.shape[1])


def blur_after_transposed(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h-1 w-1"]:
    """The filter that follows a stride-2 transposed convolution of kernel 3: [1, 3, 3, 1] / 4, padded by (1, 1)."""
    return blur(x, padding=1, gain=4.0)


def _kernel(x: Tensor, gain: float) -> Float[Tensor, "c 1 4 4"]:
    """The outer product of sum ``gain``, for every channel of x; made on x's device, since copying four numbers to a GPU waits for it."""
    axis = F.pad(x.new_full((2,), 3.0), (1, 1), value=1.0)
    return (torch.outer(axis, axis) * (gain / 64)).expand(x.shape[1], 1, 4, 4)


def _own_precision(x: Tensor) -> torch.autocast:
    """Keep x's type under autocast: the generator's skip images stay float32."""
    return torch.autocast(x.device.type, enabled=False)
