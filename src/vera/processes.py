"""Processors of this machine, and processes that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading


def processors() -> int:
    """Number of processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_parent() -> None:
    """Let this process end at once when the one that started it is gone, killed or not; it holds its parent's files otherwise."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # at once: a next call may already be at work in the same folders
