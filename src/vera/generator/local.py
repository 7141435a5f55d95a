"""The K local generators, run as one batched matrix product a layer (SemanticStyleGAN, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vera.ops.layers import SQRT2
from vera.ops.modulation import modulated_pointwise
from vera.types import Semantic

BACKGROUND_TAKES = ("illumination",)
"""Attributes that condition the background; the others condition the face only."""


def fourier_positions(size: int, side: int) -> Float[Tensor, "p n"]:
    """Position encoding: x and y, then their sines and cosines at the frequencies 2^0 … 2^(log2 S - 1).

    Args:
        size: side S of the *image*, which sets the highest frequency.
        side: side of the map, whose coordinates run from -1 to 1.

    Returns:
        ``(2 (2 log2 S + 1), side²)``: x, y, then sin x, sin y, cos x, cos y for each frequency.

    """
    axis = torch.linspace(-1, 1, side)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy")).reshape(2, -1)
    waves = [wave(2.0**octave * grid) for octave in range(int(math.log2(size))) for wave in (torch.sin, torch.cos)]
    return torch.cat([grid, *waves])


class LocalGenerators(nn.Module):
    """Fourier positions → base, shape (→ pseudo-depth) and texture layers, for every class.

    Layer l of class k is a modulated 1×1 convolution of style ``A_s[l, k] w_s[l, k] + A_g[l, k] w_g + b`` (dual
    conditioning), bias and leaky ReLU. ``A_g`` starts at zero: without attributes this is a plain semantic generator.

    Args:
        size: side of the image.
        coarse_size: side of the coarse map.
        classes: number of semantic classes K.
        channels: channels of a local generator.
        latent: dimension D of a local code.
        attributes: dimension of each attribute code, by name.
        layers: numbers of base, shape and texture layers.
        detach_texture: gradients of the texture layers stop at the shape layers (but for the background's, which has no depth), as in the
            published training; outputs are the same.

    """

    positions: Tensor
    receives: Tensor

    def __init__(
        self,
        *,
        size: int,
        coarse_size: int,
        classes: int,
        channels: int,
        latent: int,
        attributes: Mapping[str, int],
        layers: Sequence[int],
        detach_texture: bool = False,
    ) -> None:
        super().__init__()
        count, self.detach_texture = sum(layers), detach_texture
        self.depth_after = int(layers[0]) + int(layers[1])
        if self.depth_after < 1:
            raise ValueError("a local generator needs at least one base or shape layer: the pseudo-depth is read after them")
        positions = fourier_positions(size, coarse_size)
        self.register_buffer("positions", positions / math.sqrt(len(positions)), persistent=False)
        self.register_buffer("receives", _receives(classes, attributes), persistent=False)
        self.embed = nn.Parameter(torch.randn(channels, len(positions)))
        self.weight = nn.Parameter(torch.randn(count, classes, channels, channels))
        self.bias = nn.Parameter(torch.zeros(count, classes, channels))
        self.style_local = nn.Parameter(torch.randn(count, classes, channels, latent))
        self.style_attributes = nn.Parameter(torch.zeros(count, classes, channels, sum(attributes.values())))
        self.style_bias = nn.Parameter(torch.ones(count, classes, channels))
        # The background has no pseudo-depth: it is what is seen where nothing else is.
        self.depth_weight = nn.Parameter(torch.randn(classes - 1, channels))
        self.depth_modulation = nn.Parameter(torch.ones(classes - 1, channels))
        self.depth_bias = nn.Parameter(torch.zeros(classes - 1))
        self.weight_scale, self.style_scale = 1 / math.sqrt(channels), 1 / math.sqrt(latent)

    def styles(self, codes: Float[Tensor, "b k l d"], attributes: Float[Tensor, "b a"]) -> Float[Tensor, "l b k c"]:
        """Styles of all layers at once."""
        layers, classes, channels = self.style_bias.shape
        own = torch.bmm(codes.permute(2, 1, 0, 3).flatten(0, 1), self.style_local.flatten(0, 1).mT) * self.style_scale
        styles = own.view(layers, classes, len(codes), channels).transpose(1, 2) + self.style_bias[:, None]
        if not attributes.shape[1]:
            return styles
        shared = (self.style_attributes * self.receives[:, None]).flatten(0, 2) @ attributes.T
        return styles + shared.view(layers, classes, channels, len(codes)).permute(0, 3, 1, 2)

    def forward(
        self, codes: Float[Tensor, "b k l d"], attributes: Float[Tensor, "b a"]
    ) -> tuple[Float[Tensor, "b k c n"], Float[Tensor, "b k n"]]:
        """Features of every class and its pseudo-depth, before composition.

        Args:
            codes: the local code of each class and layer.
            attributes: the attribute codes concatenated, shared by all classes.

        """
        styles = self.styles(codes, attributes)
        x = (self.embed @ self.positions)[None, None]
        depth = x.new_zeros(())
        for number, style in enumerate(styles):
            y = modulated_pointwise(x, self.weight[number] * self.weight_scale, style, self.bias[number], gain=SQRT2)
            x = F.leaky_relu(y, 0.2, inplace=True)  # one map a layer is kept for the backward pass
            if number + 1 == self.depth_after:
                weight = self.depth_weight * self.depth_modulation * self.weight_scale
                seen = torch.matmul(weight[:, None], x[:, 1:])[:, :, 0] + self.depth_bias[:, None]
                depth = torch.cat([torch.zeros_like(seen[:, :1]), seen], dim=1)
                if self.detach_texture and number + 1 < len(styles):
                    x = torch.cat([x[:, :1], x[:, 1:].detach()], dim=1)
        return x, depth


def _receives(classes: int, attributes: Mapping[str, int]) -> Bool[Tensor, "k a"]:
    """Mask of the attribute codes' numbers that condition each class."""
    named = torch.tensor([name in BACKGROUND_TAKES for name, width in attributes.items() for _ in range(width)], dtype=torch.bool)
    receives = torch.ones(classes, len(named), dtype=torch.bool)
    receives[Semantic.BACKGROUND] = named
    return receives
