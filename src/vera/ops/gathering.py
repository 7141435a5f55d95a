"""Gather rows from all processes of a distributed run, with correct gradients, and standardise them together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn


class _Gather(torch.autograd.Function):
    """Forward: the rows of all processes. Backward: each row's gradients from all processes, summed in the process that gave it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.count = len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        start = dist.get_rank() * ctx.count
        return total[start : start + ctx.count]


def gather(rows: Shaped[Tensor, "b *n"]) -> Shaped[Tensor, "m *n"]:
    """Concatenate the rows of all processes, those of process 0 first; without several processes the rows are returned unchanged.

    Each of R processes computes the same mean loss from all rows, so a row receives R times the gradient of that loss.
    DistributedDataParallel then takes the *mean* of the parameters' gradients, which is what one process would have computed.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    gathered: Tensor = _Gather.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


class Standardise(nn.BatchNorm1d):
    """BatchNorm whose batch is the faces of all processes, on every device (torch's SyncBatchNorm runs on GPUs only).

    With gradient accumulation (``per_device``) each micro-batch is standardised by itself.
    """

    def forward(self, input: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """Standardise each column, in training over all processes' rows."""
        if not self.training:
            return super().forward(input)
        whole = gather(input)
        start = (dist.get_rank() if len(whole) > len(input) else 0) * len(input)
        return super().forward(whole)[start : start + len(input)]
