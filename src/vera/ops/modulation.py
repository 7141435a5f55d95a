"""Modulated 1×1 convolutions of K networks at once, as one batched matrix product (Karras et al. 2020, section 2.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def modulated_pointwise(
    x: Float[Tensor, "b k i n"],
    weight: Float[Tensor, "k o i"],
    style: Float[Tensor, "b k i"],
) -> Float[Tensor, "b k o n"]:
    """Modulate, multiply, demodulate, for all K networks together.

    Scaling activations before and after the product is the same as scaling the weights of each sample, but the weights stay
    shared over the batch.

    Args:
        x: activations of each network, the spatial size flattened.
        weight: already equalized.
        style: one factor for each input channel.

    """
    demodulation = torch.rsqrt(torch.einsum("koi,bki->bko", weight.square(), style.square()) + 1e-8)
    return torch.matmul(weight, x * style[..., None]) * demodulation[..., None]
