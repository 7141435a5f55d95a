"""Gather rows from all processes of a distributed run, with correct gradients, and standardise them together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn


class _Gather(torch.autograd.Function):
    """Every process gets all rows; backwards, each row's gradients from all processes are summed where the row came from."""

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

    When every process computes the same mean loss from what it gathers, a row's gradient is the sum over R processes of the same
    number: R times the loss's. DistributedDataParallel takes the *mean* of the parameters' gradients, and so what one process would
    have computed comes out.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    gathered: Tensor = _Gather.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


class Standardise(nn.BatchNorm1d):
    """BatchNorm whose batch is the faces of all processes, on every device (torch's SyncBatchNorm runs on GPUs only).

    Faces that a device takes in several turns (``per_device``) are standardised turn by turn.
    """

    def forward(self, input: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """Standardise each column, in training over all processes' rows."""
        if not self.training:
            return super().forward(input)
        whole = gather(input)
        start = (dist.get_rank() if len(whole) > len(input) else 0) * len(input)
        return super().forward(whole)[start : start + len(input)]
