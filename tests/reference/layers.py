"""The layers of the plain SemanticStyleGAN: nothing is fused, shared or skipped (Karras et al. 2020; Shi et al. 2022).

Attribute names are those of the published checkpoints, so that the state dictionaries agree.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

TAPS = (1.0, 3.0, 3.0, 1.0)


def binomial_kernel(gain=1.0):
    """The (4, 4) FIR kernel: outer product of [1, 3, 3, 1], normalised to sum `gain`."""
    taps = torch.tensor(TAPS)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum() * gain


def upfirdn(x, kernel, up=1, pad=(0, 0)):
    """Insert up - 1 zeros after each pixel, pad both axes by (before, after), and convolve every channel with the kernel."""
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    spread = F.pad(spread.reshape(batch * channels, 1, height * up, width * up), (*pad, *pad))
    y = F.conv2d(spread, kernel.to(x)[None, None].flip((2, 3)))
    return y.reshape(batch, channels, *y.shape[2:])


class Fir(nn.Module):
    """A fixed filter: Fir(1, ...) blurs, Fir(2, ...) doubles the size first."""

    def __init__(self, up, pad, gain):
        super().__init__()
        self.up, self.pad = up, pad
        self.register_buffer("kernel", binomial_kernel(gain))

    def forward(self, x):
        return upfirdn(x, self.kernel, self.up, self.pad)


class FusedLeakyReLU(nn.Module):
    """Bias, leaky ReLU of slope 0.2, times √2."""

    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


class EqualLinear(nn.Module):
    def __init__(self, inputs, outputs, bias=0.0, multiplier=1.0, activation=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.scale, self.multiplier, self.activation = multiplier / math.sqrt(inputs), multiplier, activation

    def forward(self, x):
        y = F.linear(x, self.weight * self.scale, self.bias * self.multiplier)
        return F.leaky_relu(y, 0.2) * math.sqrt(2) if self.activation else y


class EqualConv2d(nn.Module):
    """Convolution without bias."""

    def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale, self.stride, self.padding = 1 / math.sqrt(inputs * kernel**2), stride, padding

    def forward(self, x):
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class PixelNorm(nn.Module):
    def forward(self, z):
        return z / torch.sqrt(torch.mean(z**2, dim=1, keepdim=True) + 1e-8)


class NoiseInjection(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x, noise):
        return x + self.weight * noise


class StyledConv(nn.Module):
    """Modulated, demodulated 1×1 convolution: every sample gets weights of its own, run as one grouped convolution."""

    def __init__(self, channels, latent):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, channels, 1, 1))
        self.modulation = EqualLinear(latent, channels, bias=1)
        self.scale = 1 / math.sqrt(channels)

    def forward(self, x, code):
        batch, channels, height, width = x.shape
        weight = self.scale * self.weight * self.modulation(code).view(batch, 1, channels, 1, 1)
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
        y = F.conv2d(x.reshape(1, batch * channels, height, width), weight.view(batch * channels, channels, 1, 1), groups=batch)
        return y.view(batch, channels, height, width)


class StyledLayer(nn.Module):
    """One layer of a local generator; no noise."""

    def __init__(self, channels, latent):
        super().__init__()
        self.conv = StyledConv(channels, latent)
        self.activate = FusedLeakyReLU(channels)

    def forward(self, x, code):
        return self.activate(self.conv(x, code))


class FixedConv(nn.Module):
    """1×1 convolution modulated by a trained vector instead of a style; not demodulated."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x):
        return F.conv2d(x, self.scale * self.weight * self.modulation)


class Output(nn.Module):
    """``to_feat``, ``to_depth``, ``to_rgbs``, ``to_segs``: 1×1 convolution, bias, and the doubled output of the level before."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.upsample = Fir(2, (2, 1), gain=4)
        self.conv = FixedConv(inputs, outputs)
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x, skip=None):
        y = self.conv(x) + self.bias
        return y if skip is None else y + self.upsample(skip)


class RenderConv(nn.Module):
    """3×3 convolution modulated by a trained vector, demodulated; noise, bias, leaky ReLU; optionally doubles the size."""

    def __init__(self, inputs, outputs, up):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.modulation = nn.Parameter(torch.ones(1, inputs, 1, 1))
        self.scale, self.up = 1 / math.sqrt(inputs * 9), up
        if up:
            self.blur = Fir(1, (1, 1), gain=4)
        self.noise = NoiseInjection()
        self.activate = FusedLeakyReLU(outputs)

    def forward(self, x, noise):
        weight = self.scale * self.weight * self.modulation
        weight = weight * torch.rsqrt(weight.pow(2).sum([1, 2, 3], keepdim=True) + 1e-8)
        y = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)) if self.up else F.conv2d(x, weight, padding=1)
        return self.activate(self.noise(y, noise))
