"""Several processes on one evaluation: people are dealt to them, figures are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import distributed

from vera.types import VeraError

Dealt = TypeVar("Dealt")


def joined() -> bool:
    """Whether there are several processes (``torch.distributed`` is initialised)."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if joined() else 0


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if joined() else 1


def mine(everything: Sequence[Dealt]) -> Sequence[Dealt]:
    """This process's share, dealt round-robin."""
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
    """Until every process has come here."""
    if joined():
        distributed.barrier()


def total(count: int, device: str = "cpu") -> int:
    """Sum over all processes; each must call it."""
    if not joined():
        return count
    both = torch.tensor(count, device="cpu" if distributed.get_backend() == "gloo" else device)
    distributed.all_reduce(both)
    return int(both)
