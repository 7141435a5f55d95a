"""Several processes on one task: items are dealt to them, counts and columns of numbers are joined."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed
from torchmetrics import Metric

from vera.types import Matrix, VeraError

Dealt = TypeVar("Dealt")


def joined() -> bool:
    """Whether there are several processes (``torch.distributed`` is initialised)."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if joined() else 0


def world() -> int:
    """Number of processes, 1 without ``torch.distributed``."""
    return distributed.get_world_size() if joined() else 1


def mine(everything: Sequence[Dealt]) -> Sequence[Dealt]:
    """This process's share of a sequence, dealt round-robin."""
    return everything[rank() :: world()]


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """``1/2`` as ``(1, 2)``; None for None.

    Raises:
        VeraError: something else.

    """
    if text is None:
        return None
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise VeraError(f"shard={text}: give NUMBER/COUNT with a number from 0 on, as 0/2 and 1/2")
    if joined():
        raise VeraError(f"shard={text}: torchrun deals the people already; leave one of the two out")
    return int(number), int(count)


def wait() -> None:
    """Wait until every process has reached this call."""
    if joined():
        distributed.barrier()


def total(count: int, device: str = "cpu") -> int:
    """Sum over all processes; each must call it."""
    if not joined():
        return count
    both = torch.tensor(count, device="cpu" if distributed.get_backend() == "gloo" else device)
    distributed.all_reduce(both)
    return int(both)


class Joined(Metric):
    """A metric whose states are each process's own again after a computation over all processes, even one that failed.

    torchmetrics leaves them joined where ``compute`` raises: the next method's figures would be wrong.
    """

    @contextmanager
    def sync_context(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any = None,
        should_sync: bool = True,
        should_unsync: bool = True,
        distributed_available: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Join the states of all processes for a computation; arguments as for ``torchmetrics.Metric``."""
        self.sync(dist_sync_fn, process_group, should_sync, distributed_available)
        try:
            yield
        finally:
            self.unsync(should_unsync=self._is_synced and should_unsync)


class Collected(Joined):
    """A metric whose states are columns.

    A column is one-dimensional (embeddings are stored flat), so that a process that has seen nothing can take part in the exchange.
    What a subclass computes must not depend on the order of the rows: it depends on how items are dealt to processes.
    """

    full_state_update = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._columns: dict[str, torch.dtype] = {}

    def add_column(self, name: str, dtype: torch.dtype) -> None:
        """Declare a column."""
        self._columns[name] = dtype
        self.add_state(name, [], dist_reduce_fx="cat")

    def append(self, name: str, values: npt.ArrayLike | Tensor) -> None:
        """Add values, flattened, to a column."""
        rows = torch.as_tensor(np.asarray(values) if not isinstance(values, Tensor) else values)
        getattr(self, name).append(rows.detach().to(self.device, self._columns[name]).flatten())

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column as one array."""
        state = getattr(self, name)
        parts = [state] if isinstance(state, Tensor) else state
        empty = torch.empty(0, dtype=self._columns[name])
        return np.asarray(torch.cat([empty, *(part.cpu() for part in parts)]).numpy())

    def matrix(self, name: str, rows: int) -> Matrix:
        """A flat column as ``(rows, D)``."""
        values = self.column(name)
        return np.asarray(values.reshape(rows, -1) if rows else values.reshape(0, 0), dtype=np.float64)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Join the columns of all processes; empty ones first become tensors, or the exchange would wait for ever."""
        for name, dtype in self._columns.items():
            state = getattr(self, name)
            if not isinstance(state, Tensor) and not len(state):
                state.append(torch.empty(0, dtype=dtype, device=self.device))
        super().sync(*args, **kwargs)


def keys(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Names as numbers that are the same in every process: the first 63 bits of their SHA-256."""
    digests = [hashlib.sha256(name.encode()).digest()[:8] for name in names]
    return np.array([int.from_bytes(digest, "big") >> 1 for digest in digests], dtype=np.int64)
