"""Processors of this machine, and processes that end with the one that started them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


def processors() -> int:
    """Number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_parent() -> None:
    """Let this process end at once when the one that started it is gone, killed or not; it holds its parent's files otherwise."""
    from multiprocessing import parent_process  # takes a while; every command counts processors, and few have a parent to wait for

    if (parent := parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # at once: a next call may already be at work in the same folders
