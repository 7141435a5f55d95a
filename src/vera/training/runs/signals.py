"""Checkpoint on SIGTERM or SIGUSR1; requeueing is left to the launcher (docs/architecture.md#contract-9)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment


def environment() -> list[SLURMEnvironment]:
    """Cluster plugins for the Trainer: under srun Lightning's SLURM without its own checkpoints and requeueing, else none.

    Lightning finds SLURM by itself and would take SIGUSR1 before the first step and after the last one.
    """
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]


def hand_on(number: int) -> None:
    """Pass the signal that stopped a run on to the launcher, after everything was saved.

    In submitit's jobs that is submitit: at SIGUSR2 it requeues the job and leaves the process. Elsewhere nobody waits.

    Args:
        number: number of the signal, such as ``signal.SIGUSR2``.

    """
    if signal.getsignal(number) not in {signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None}:
        signal.raise_signal(number)


@contextmanager
def own_processes() -> Iterator[None]:
    """Context of a run's own process group, which is removed at its end so that the next run of a multirun can start others."""
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
