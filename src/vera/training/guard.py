"""A run stops before a step that would spoil its weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from vera.types import VeraError


def require_finite(value: Tensor, what: str, *, images_seen: int) -> None:
    """Stop before the step unless a loss or a norm is finite.

    Args:
        value: scalar.
        what: its name.
        images_seen: how far the run is.

    Raises:
        VeraError: it is not.

    """
    if not bool(torch.isfinite(value)):
        raise VeraError(
            f"the {what} is {float(value.detach())} after {images_seen} images; no step was taken: lower optim.lr "
            "and resume from the last checkpoint"
        )


def complete_gradients(parameters: Iterable[torch.nn.Parameter]) -> Tensor:
    """Give parameters that a loss does not reach a gradient of zero, and return the norm of all gradients.

    Adam passes over a parameter without a gradient, and whether there is none or one of zeros depends on the number of processes
    and on what ran before; so it is always zeros.

    Args:
        parameters: of one optimizer.

    """
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return torch.nn.utils.get_total_norm(gradients)
