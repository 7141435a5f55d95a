"""Signals on a cluster: the run saves, whoever started the job decides what follows (docs/architecture.md#contract-9)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment


def environment() -> list[SLURMEnvironment]:
    """For the Trainer's ``plugins``: under srun Lightning's SLURM, but without its own checkpoints and requeueing; else nothing.

    Lightning finds SLURM by itself and would take SIGUSR1 before the first step and after the last one.
    """
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]


def hand_on(number: int) -> None:
    """Give a signal that stopped the run, and was kept from it until all was saved, to the one who waits for it.

    In submitit's jobs that is submitit: at SIGUSR2 it requeues the job and leaves the process. Elsewhere nobody waits.

    Args:
        number: of the signal.

    """
    if signal.getsignal(number) not in {signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None}:
        signal.raise_signal(number)


@contextmanager
def own_processes() -> Iterator[None]:
    """A run leaves neither the group of its own processes nor their names behind: the next run of a multirun starts others."""
    names = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    before = {name: os.environ[name] for name in names if name in os.environ}
    yield
    if "LOCAL_RANK" in before:  # somebody else started this process
        return
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(before)
