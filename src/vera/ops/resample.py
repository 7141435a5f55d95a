"""FIR resampling with StyleGAN2's binomial kernel [1, 3, 3, 1], zero outside the image. Double-differentiable.

Each filter is one depthwise convolution with the constant 4×4 kernel: strided where it halves, transposed where it doubles, so
that no zeros are inserted and nothing is computed that is then thrown away.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def upsample(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 2*h 2*w"]:
    """Double the size: [1, 3, 3, 1] / 4 in each direction."""
    return _spread(x, 4.0, 2, 1)


def downsample(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h/2 w/2"]:
    """Halve the size: [1, 3, 3, 1] / 8 in each direction."""
    return _filter(x, 1.0, 2, 1)


def blur(x: Float[Tensor, "b c h w"], *, padding: int) -> Float[Tensor, "b c h2 w2"]:
    """[1, 3, 3, 1] / 8 in each direction, after ``padding`` zeros on every side; sides grow by 2 padding - 3."""
    return _filter(x, 1.0, 1, padding)


def blur_after_transposed(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h-1 w-1"]:
    """The filter that follows a stride-2 transposed convolution of kernel 3: [1, 3, 3, 1] / 4, padded by (1, 1)."""
    return _filter(x, 4.0, 1, 1)


class _Filter(torch.autograd.Function):
    """Every channel with the kernel of sum ``gain``.

    A filter is linear: its gradient is its adjoint, whose gradient is the filter. torch knows that too, but takes the second
    derivative of a depthwise convolution channel by channel.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: float, stride: int, padding: int) -> Tensor:
        ctx.how = (gain, stride, padding)
        with torch.autocast(x.device.type, enabled=False):  # keeps x's type: the generator's skip images stay float32
            return F.conv2d(x, _kernel(x, gain), stride=stride, padding=padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gain, stride, padding = ctx.how
        return _spread(gradients[0], gain, stride, padding), None, None, None


class _Spread(torch.autograd.Function):
    """The adjoint of :class:`_Filter`, its backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: float, stride: int, padding: int) -> Tensor:
        ctx.how = (gain, stride, padding)
        # On CPUs the transposed convolution of half precision is ten times slower than that of single.
        wide = x.float() if x.dtype == torch.bfloat16 and x.device.type == "cpu" else x
        with torch.autocast(x.device.type, enabled=False):
            return F.conv_transpose2d(wide, _kernel(wide, gain), stride=stride, padding=padding, groups=x.shape[1]).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gain, stride, padding = ctx.how
        return _filter(gradients[0], gain, stride, padding), None, None, None


def _filter(x: Tensor, gain: float, stride: int, padding: int) -> Tensor:
    filtered: Tensor = _Filter.apply(x, gain, stride, padding)
    return filtered


def _spread(x: Tensor, gain: float, stride: int, padding: int) -> Tensor:
    spread: Tensor = _Spread.apply(x, gain, stride, padding)
    return spread


def _kernel(x: Tensor, gain: float) -> Float[Tensor, "c 1 4 4"]:
    """The outer product, for every channel of x; made on x's device, since copying four numbers to a GPU waits for it."""
    axis = F.pad(x.new_full((2,), 3.0), (1, 1), value=1.0)
    return (torch.outer(axis, axis) * (gain / 64)).expand(x.shape[1], 1, 4, 4)
