"""A multirun as one whole: it can be interrupted, and its exit code tells of all its runs (a Hydra callback, in ``conf/train.yaml``)."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from vera.training.runs.folder import FAILURE


class Sweep(Callback):
    """Before the first run, and after the last."""

    def on_multirun_start(self, config: DictConfig, **keywords: Any) -> None:
        """Between runs SIGTERM is as Ctrl-C; within one it is the run's, which saves before it stops."""
        if threading.current_thread() is threading.main_thread():  # elsewhere Python gives no signals
            signal.signal(signal.SIGTERM, signal.default_int_handler)

    def on_multirun_end(self, config: DictConfig, **keywords: Any) -> None:
        """Name the runs that failed, and leave with 1 if there are any.

        Raises:
            SystemExit: there are.

        """
        failed = sorted(Path(config.hydra.sweep.dir).rglob(FAILURE))
        for path in failed:
            sys.stderr.write(f"vera: {path.parent}: {path.read_text(encoding='utf-8').splitlines()[-1]}\n")
        if failed:
            count = "1 run" if len(failed) == 1 else f"{len(failed)} runs"
            sys.stderr.write(f"vera: {count} of the sweep did not finish ({FAILURE} says why); the same command starts what is missing\n")
            sys.exit(1)
