"""Checkpoints and sample sheets, counted in images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torchvision.utils import save_image

from vera.data.sample import Sample, decode_images, decode_labels


class Snapshots(pl.Callback):
    """Every N images: ``last.ckpt`` (complete, replaced atomically) and a sheet of photographs over reconstructions.

    Args:
        folder: where they go.
        every: images between two snapshots.
        sheet: faces on a sheet; 0 for none.

    """

    def __init__(self, *, folder: str | Path, every: int, sheet: int) -> None:
        self.folder, self.every, self.sheet = Path(folder), every, sheet
        self.batch: Sample | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """Save when a multiple of N was passed, and at the end."""
        step = trainer.world_size * len(batch["image"])
        self.batch = batch
        if module.images_seen // self.every > (module.images_seen - step) // self.every or trainer.should_stop:
            self._save(trainer, module)

    def on_exception(self, trainer: pl.Trainer, module: Any, exception: BaseException) -> None:
        """An interrupted run keeps what it learned; a failed step (non-finite loss) never reached the weights."""
        if module.images_seen:
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
