"""Equalized layers: weights of unit variance, scaled at run time (Karras et al. 2018, section 4.1)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SQRT2 = math.sqrt(2.0)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times √2 so that variance is kept (StyleGAN2)."""
    return F.leaky_relu(x, 0.2) * SQRT2


class EqualizedLinear(nn.Module):
    """Linear layer with run-time weight scaling.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        bias: initial value of the bias.
        lr_multiplier: learning-rate multiplier; weights start at 1 / multiplier (StyleGAN's mapping uses 0.01).
        activation: apply the scaled leaky ReLU.

    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, lr_multiplier: float = 1.0, activation: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr_multiplier))
        self.scale = lr_multiplier / math.sqrt(inputs)
        self.lr_multiplier = lr_multiplier
        self.activation = activation

    def forward(self, x: Float[Tensor, "*batch i"]) -> Float[Tensor, "*batch o"]:
        """Map the last dimension."""
        y = F.linear(x, self.weight * self.scale, self.bias * self.lr_multiplier)
        return leaky(y) if self.activation else y


class EqualizedConv(nn.Module):
    """3×3 or 1×1 convolution with run-time weight scaling, "same" padding and an optional stride.

    The leaky ReLU is positively homogeneous, so its gain is applied to weight and bias instead of to the activations, which are
    larger; it works in place, since a convolution doesn't need its own output for its gradients.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        kernel: side of the kernel, odd for "same" padding.
        stride: step of the convolution, 1 or 2; 1 by default.
        padding: zeros on every side; "same" unless told.
        bias: whether a bias is added; True by default.
        activation: apply the leaky ReLU of slope 0.2.
        gain: factor of the result; unless told, √2 with and 1 without activation, which keeps the variance.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        activation: bool = True,
        gain: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = gain if gain is not None else SQRT2 if activation else 1.0
        self.scale = self.gain / math.sqrt(inputs * kernel**2)
        self.stride, self.activation = stride, activation
        self.padding = kernel // 2 if padding is None else padding

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Convolve."""
        bias = None if self.bias is None else self.bias * self.gain
        y = F.conv2d(x, self.weight * self.scale, bias, stride=self.stride, padding=self.padding)
        return F.leaky_relu(y, 0.2, inplace=True) if self.activation else y
