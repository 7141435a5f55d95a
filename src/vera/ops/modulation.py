"""Modulated 1×1 convolutions of K networks at once, as one batched matrix product (Karras et al. 2020, section 2.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def modulated_weight(weight: Float[Tensor, "k o i"], style: Float[Tensor, "b k i"], *, gain: float = 1.0) -> Float[Tensor, "b k o i"]:
    """Weights of each sample and network: modulated over the inputs, demodulated over the outputs, times ``gain``.

    At K = 13 networks of 64 channels these are a few hundred kilobytes a sample, where scaling the activations would read and
    write megabytes, and keep them for the backward pass.

    Args:
        weight: weights of the K networks, already equalized.
        style: one factor for each input channel.
        gain: factor of the demodulated weights; 1 by default.

    """
    demodulation = torch.rsqrt(torch.einsum("koi,bki->bko", weight.square(), style.square()) + 1e-8)
    return weight * style[:, :, None] * (gain * demodulation)[..., None]


def modulated_pointwise(
    x: Float[Tensor, "#b #k i n"],
    weight: Float[Tensor, "k o i"],
    style: Float[Tensor, "b k i"],
    bias: Float[Tensor, "k o"],
    *,
    gain: float = 1.0,
) -> Float[Tensor, "b k o n"]:
    """Modulated, demodulated product and bias, for all K networks together.

    What it returns may be overwritten: it is no view and is not needed for the backward pass.

    Args:
        x: activations of each network, the spatial size flattened; one map that all samples and networks share is taken as it
            is, never copied for each.
        weight: weights of the K networks, already equalized.
        style: one factor for each input channel.
        bias: added after the product.
        gain: factor of product and bias together; leaky ReLUs pass a positive factor through, so theirs can be given here. 1 by
            default.

    """
    own = modulated_weight(weight, style, gain=gain)
    shift = (gain * bias)[..., None]
    if x.shape[0] == x.shape[1] == 1:
        return torch.matmul(own.flatten(0, 2), x[0, 0]).view(*own.shape[:3], -1) + shift
    product = torch.matmul(own, x)
    return product.add_(shift.to(product.dtype))
