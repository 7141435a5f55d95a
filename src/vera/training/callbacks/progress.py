"""Callbacks that report progress, speed and memory of a run, counted in images."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vera.data.sample import Sample
from vera.training.callbacks.snapshots import Periodic


class ImagesBar(pl.Callback):
    """A bar on the terminal (standard error): images seen of all, time gone and time left."""

    def __init__(self) -> None:
        self.bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Show the bar, in one process of several."""
        if trainer.is_global_zero:
            columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True))
            self.bar.start()
            self.bar.add_task("images", total=module.schedule.total, completed=module.images_seen)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """Move the bar to the images seen."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=module.images_seen)

    def teardown(self, trainer: pl.Trainer, module: Any, stage: str) -> None:
        """Stop the bar, which stays as it is on the terminal."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class Throughput(Periodic):
    """Log, every N images, images per second over all processes, the share of time spent in steps, and peak memory.

    Only steps count for the first: loading, snapshots and evaluation are what the share leaves over.

    Args:
        every: images between two entries.
        skip: first steps that do not count (compilation, warm-up).

    """

    def __init__(self, *, every: int, skip: int) -> None:
        super().__init__(every=every)
        self.skip = skip
        self._steps = 0
        self._images, self._seconds = 0, 0.0
        self._since = self._began = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Sample, batch_idx: int) -> None:
        """The step begins."""
        self._began = time.perf_counter()
        if self._steps == self.skip:
            self._since = self._began

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """The step ended; it checked its losses, so that the device is not far behind."""
        self._steps += 1
        if self._steps > self.skip:
            self._images += trainer.world_size * len(batch["image"])
            self._seconds += time.perf_counter() - self._began
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def act(self, trainer: pl.Trainer, module: Any, batch: Sample) -> None:
        """Log the figures and start a new interval."""
        now = time.perf_counter()
        entry = {"memory/peak_gib": peak_memory(module.device) / 2**30}
        if self._seconds:
            entry["speed/images_per_second"] = self._images / self._seconds
            entry["speed/share_in_steps"] = self._seconds / (now - self._since)
            self._images, self._seconds, self._since = 0, 0.0, now
        for logger in trainer.loggers:
            logger.log_metrics(entry, step=module.images_seen)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that torch had allocated on a GPU, or the process in the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
