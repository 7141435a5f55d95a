"""The K local generators, run as one batched matrix product a layer (SemanticStyleGAN, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.ops.layers import leaky
from vera.ops.modulation import modulated_pointwise
from vera.types import Semantic


def fourier_positions(size: int) -> Float[Tensor, "p n"]:
    """Position encoding of a square map: x, sin and cos at frequencies 2^0 … 2^(log2 S - 1), for both axes.

    Returns:
        ``(2 (2 log2 S + 1), S²)``; coordinates run from -1 to 1.

    """
    axis = torch.linspace(-1, 1, size)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy")).reshape(2, -1)
    frequencies = 2.0 ** torch.arange(int(math.log2(size)))
    angles = torch.pi * frequencies[:, None, None] * grid
    return torch.cat([grid, angles.sin().flatten(0, 1), angles.cos().flatten(0, 1)])


class StyledLayer(nn.Module):
    """Layer l of all K local generators: modulated 1×1 convolution under both latent spaces, bias, leaky ReLU.

    The style is ``A_s[k] w_s + A_g[k] w_g + b`` (DESIGN: dual conditioning); ``A_g`` starts at zero, so that a generator
    without attributes is a plain semantic generator.
    """

    def __init__(self, *, classes: int, channels: int, latent: int, attributes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, channels, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels, 1))
        self.style_local = nn.Parameter(torch.randn(classes, channels, latent))
        self.style_attributes = nn.Parameter(torch.zeros(classes, channels, attributes))
        self.style_bias = nn.Parameter(torch.ones(classes, channels))
        self.weight_scale, self.style_scale = 1 / math.sqrt(channels), 1 / math.sqrt(latent)

    def forward(
        self, x: Float[Tensor, "b k c n"], local: Float[Tensor, "b k d"], attributes: Float[Tensor, "b a"]
    ) -> Float[Tensor, "b k c n"]:
        """Apply the layer.

        Args:
            x: activations.
            local: the local code of each class.
            attributes: the attribute codes concatenated, shared by all classes.

        """
        style = torch.einsum("kcd,bkd->bkc", self.style_local * self.style_scale, local) + self.style_bias
        style = style + torch.einsum("kca,ba->bkc", self.style_attributes, attributes)
        return leaky(modulated_pointwise(x, self.weight * self.weight_scale, style) + self.bias)


class LocalGenerators(nn.Module):
    """Fourier positions → base, shape (→ pseudo-depth) and texture layers, for every class.

    Args:
        size: side of the coarse map.
        classes: number of semantic classes K.
        channels: channels of a local generator.
        latent: dimension D of a local code.
        attributes: total dimension A of the attribute codes.
        layers: numbers of base, shape and texture layers.

    """

    positions: Tensor
    has_depth: Tensor

    def __init__(
        self, *, size: int, classes: int, channels: int, latent: int, attributes: int, layers: Sequence[int]
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        positions = fourier_positions(size)
        self.register_buffer("positions", positions, persistent=False)
        self.embed = nn.Parameter(torch.randn(channels, positions.shape[0]) / math.sqrt(positions.shape[0]))
        self.styled = nn.ModuleList(
            StyledLayer(classes=classes, channels=channels, latent=latent, attributes=attributes) for _ in range(sum(layers))
        )
        self.to_depth = nn.Parameter(torch.randn(classes, 1, channels))
        self.depth_bias = nn.Parameter(torch.zeros(classes, 1, 1))
        self.depth_scale = 1 / math.sqrt(channels)
        has_depth = torch.ones(classes, 1, 1)
        has_depth[Semantic.BACKGROUND] = 0.0
        self.register_buffer("has_depth", has_depth, persistent=False)

    def forward(
        self, local: Float[Tensor, "b r d"], attributes: Float[Tensor, "b a"]
    ) -> tuple[Float[Tensor, "b k c n"], Float[Tensor, "b k n"]]:
        """Features of every class and its pseudo-depth, before composition.

        Args:
            local: two base codes, then shape and texture code of each class.
            attributes: attribute codes.

        """
        base, shape, texture = local[:, :2], local[:, 2::2], local[:, 3::2]
        count, classes = shape.shape[:2]
        x = (self.embed @ self.positions).expand(count, classes, -1, -1)
        depth: Tensor | None = None
        for number, layer in enumerate(self.styled):
            if number < self.layers[0]:
                code = base[:, number % 2, None].expand(-1, classes, -1).clone()
                code[:, Semantic.BACKGROUND] = shape[:, Semantic.BACKGROUND]  # the background has no base code
            else:
                code = shape if number < self.layers[0] + self.layers[1] else texture
            x = layer(x, code, attributes)
            if number == self.layers[0] + self.layers[1] - 1:
                depth = (torch.matmul(self.to_depth * self.depth_scale, x) + self.depth_bias) * self.has_depth
        if depth is None:
            raise ValueError("a local generator needs at least one shape layer: the pseudo-depth is read after them")
        return x, depth[:, :, 0]
