"""How far a run is: a bar of images, the only thing that a run counts."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vera.data.sample import Sample


class ImagesBar(pl.Callback):
    """A bar on the terminal (standard error): images seen of all, time gone and time left."""

    def __init__(self) -> None:
        self.bar: Progress | None = None

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Show it, in one process of several."""
        if trainer.is_global_zero:
            columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True))
            self.bar.start()
            self.bar.add_task("images", total=module.schedule.total, completed=module.images_seen)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """Move it."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=module.images_seen)

    def teardown(self, trainer: pl.Trainer, module: Any, stage: str) -> None:
        """Leave it as it stands."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
