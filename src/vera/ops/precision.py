"""Convert half-precision tensors to single precision."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """Convert ``x`` to float32 if autocast made it narrower; float32 and float64 are returned unchanged."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
