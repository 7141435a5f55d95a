"""Callbacks that act every N images, never every N steps (DESIGN: contract 4)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from vera.data.sample import Sample


def passed(every: int, *, before: int, now: int) -> bool:
    """Whether a multiple of ``every`` lies after ``before``, up to ``now``."""
    return now // every > before // every


class Periodic(pl.Callback):
    """Acts when a multiple of N images was passed, and when the run is complete.

    Args:
        every: N.

    """

    def __init__(self, *, every: int) -> None:
        self.every = every

    def act(self, trainer: pl.Trainer, module: Any, batch: Sample) -> None:
        """What the callback does; all processes call it."""
        raise NotImplementedError

    def due(self, trainer: pl.Trainer, module: Any, batch: Sample) -> bool:
        """Whether to act after this step."""
        now, step = module.images_seen, trainer.world_size * len(batch["image"])
        return passed(self.every, before=now - step, now=now) or bool(now >= module.schedule.total)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """After each step."""
        if self.due(trainer, module, batch):
            self.act(trainer, module, batch)
