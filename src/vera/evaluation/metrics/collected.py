"""Metrics that need every item at once (pairs, galleries, subsets): columns of numbers, joined over processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from torch import Tensor
from torchmetrics import Metric

from vera.faces.recognition import Embedding
from vera.types import VeraError

Distance = str | Callable[[Embedding, Embedding], float]
"""scipy's name of a distance (``euclidean``, ``cosine``: fast), or a recogniser's own."""
Matrix = npt.NDArray[np.float64]


class Collected(Metric):
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


def check_rows(embeddings: npt.ArrayLike, *columns: Sequence[Any]) -> Matrix:
    """Embeddings as ``(N, D)`` float64, if there is one for each name.

    Raises:
        VeraError: another number of rows, or no table.

    """
    table = np.asarray(embeddings, dtype=np.float64)
    if table.ndim != 2 or any(len(column) != len(table) for column in columns):
        raise VeraError(f"embeddings must be (N, D) with N names beside them, these are {table.shape} and {[len(c) for c in columns]}")
    return table


def distances(a: Matrix, b: Matrix, distance: Distance) -> Matrix:
    """``(N, M)`` distances between two tables; NaN where an embedding is."""
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    return np.asarray(cdist(a, b, metric=distance), dtype=np.float64)  # type: ignore[call-overload]
