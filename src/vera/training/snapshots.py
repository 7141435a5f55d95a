"""Checkpoints and sample sheets, counted in images."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torchvision.utils import save_image

from vera.data.sample import Sample, decode_images, decode_labels


class Snapshots(pl.Callback):
    """Every N images: ``last.ckpt`` (complete, replaced atomically) and a sheet of photographs over reconstructions.

    Ctrl-C lets the step end, saves and stops; a second one stops at once, and the last snapshot stays.

    Args:
        folder: where they go.
        every: images between two snapshots.
        sheet: faces on a sheet; 0 for none.

    """

    def __init__(self, *, folder: str | Path, every: int, sheet: int) -> None:
        self.folder, self.every, self.sheet = Path(folder), every, sheet
        self.batch: Sample | None = None
        self.interrupted = False
        self._before: Any = None

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Take over Ctrl-C."""

        def stop(number: int, frame: Any) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.interrupted = trainer.should_stop = True

        if threading.current_thread() is threading.main_thread():  # elsewhere Python gives no signals
            self._before = signal.signal(signal.SIGINT, stop)

    def teardown(self, trainer: pl.Trainer, module: Any, stage: str) -> None:
        """Give Ctrl-C back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """Save when a multiple of N was passed, and at the end."""
        step = trainer.world_size * len(batch["image"])
        self.batch = batch
        if module.images_seen // self.every > (module.images_seen - step) // self.every or trainer.should_stop:
            self._save(trainer, module)

    def on_exception(self, trainer: pl.Trainer, module: Any, exception: BaseException) -> None:
        """A run that is stopped between two steps keeps what it learned; inside a step the last snapshot is the better one."""
        if module.images_seen and not module.in_step:
            self._save(trainer, module)

    def _save(self, trainer: pl.Trainer, module: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "partial.ckpt"
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            os.replace(partial, self.folder / "last.ckpt")
            if self.sheet and self.batch is not None:
                self._draw(module, self.batch)

    @torch.no_grad()
    def _draw(self, module: Any, batch: Sample) -> None:
        images = decode_images(batch["image"][: self.sheet])
        network = module.ema.network
        codes = network.encode(images, decode_labels(batch["labels"][: self.sheet]))
        rows = torch.cat([images, network.generator(codes).image.clamp(-1, 1)])
        save_image(rows, self.folder / f"{module.images_seen:08d}.png", nrow=len(images), normalize=True, value_range=(-1, 1))
