"""Leaving half precision."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """``x`` in float32 where autocast made it narrower; float32 and float64 stay as they are, so that a run can compute in double."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
