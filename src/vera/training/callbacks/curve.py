"""Callback: Fréchet distance between generated faces and data during a run, keeping the best checkpoints."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from vera.data.sample import Sample, decode_images
from vera.data.stream import Stream
from vera.evaluation.metrics.frechet import FrechetDistance, Statistics
from vera.features.pooled import PooledFeatures
from vera.generator.sampling import sample_codes
from vera.rng import Draws
from vera.training.callbacks.snapshots import Periodic, save_checkpoint
from vera.training.module import require_finite
from vera.types import VeraError


class FrechetCurve(Periodic):
    """Measure, every N images and at the start, the Fréchet distance of the averaged generator's faces to the data.

    Its name in the log says on which features (``frechet_lite0``; only Inception's is called FID). Faces are made without
    truncation from codes that are the same every time. Data are taken as training takes them, mirroring included; their statistics
    are kept in the run's folder.

    Args:
        folder: the run's. ``top/DISTANCE-IMAGES.ckpt`` are the best checkpoints.
        every: images between two points of the curve.
        images: generated for a point, and as many of the data (all of them, if there are fewer).
        batch: faces at once on one device.
        keep: number of best checkpoints; 0 for none.
        features: frozen network that the distance is measured on.

    """

    def __init__(self, *, folder: str | Path, every: int, images: int, batch: int, keep: int, features: PooledFeatures) -> None:
        super().__init__(every=every)
        self.folder, self.images, self.batch, self.keep = Path(folder), images, batch, keep
        self.features = features

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Measure the first point of the curve."""
        if module.images_seen == 0:
            self.measure(trainer, module)

    def act(self, trainer: pl.Trainer, module: Any, batch: Sample) -> None:
        """Measure a point of the curve, and save a checkpoint if it is among the best."""
        value = self.measure(trainer, module)
        if trainer.strategy.broadcast(self._is_among_the_best(value)):
            folder = self.folder / "top"
            folder.mkdir(parents=True, exist_ok=True)
            save_checkpoint(trainer, folder / f"{value:010.4f}-{module.images_seen:08d}.ckpt")
            if trainer.is_global_zero:
                for left_behind in self._best()[self.keep :]:
                    left_behind.unlink()

    @torch.no_grad()
    def measure(self, trainer: pl.Trainer, module: Any) -> float:
        """The distance, logged at the images seen."""
        metric = FrechetDistance(self.features, reference=self._reference(trainer, module)).to(module.device)
        network, draws = module.ema.network, Draws(module.seed, module.device, module.dtype)
        for indices in self._shares(trainer, self.images):
            made = network(sample_codes(network, draws, "curve/z", indices), draws.maps("curve/noise", indices, network.noise_sides))
            metric.update(made.image.float(), real=False)
        distance = metric.compute()
        require_finite(distance, metric.name, images_seen=module.images_seen)
        value = float(distance)
        for logger in trainer.loggers:
            logger.log_metrics({metric.name: value}, step=module.images_seen)
        return value

    def _reference(self, trainer: Any, module: Any) -> Statistics:
        """Statistics of the data, from the run's folder or made now."""
        data, path = trainer.datamodule, self.folder / "frechet_reference.safetensors"
        count = min(self.images, len(data.dataset))
        stream = Stream(data.dataset, seed=data.seed, mirror=data.mirror, augment=data.augment)
        changed = (", mirrored by chance" if data.mirror else "") + (", augmented" if data.augment else "")
        dealt = f"the first {count} faces of the stream with seed {data.seed}{changed}"
        source = f"{type(data.dataset).__name__} of {len(data.dataset)} at {module.ema.network.size} px: {dealt}"
        known: Statistics | None = self._kept(path) if trainer.is_global_zero and path.is_file() else None
        fits = known is not None and (known.features, known.source) == (self.features.name, source)
        known = trainer.strategy.broadcast(known if fits else None)  # files of one machine are not another's
        if known is not None:
            return known
        metric = FrechetDistance(self.features).to(module.device)
        for indices in self._shares(trainer, count):
            images: Tensor = torch.stack([stream[index]["image"] for index in indices])
            metric.update(decode_images(images.to(module.device)), real=True)
        made = metric.statistics(real=True, source=source)
        made = Statistics(made.mean.cpu(), made.covariance.cpu(), made.count, made.features, made.source)
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            made.save(path)
        return made

    @staticmethod
    def _kept(path: Path) -> Statistics | None:
        """Statistics stored by an earlier start of the run; None if a kill left them damaged, since they can be computed again."""
        try:
            return Statistics.load(path)
        except VeraError as error:
            warnings.warn(f"{error}", stacklevel=2)
            return None

    def _shares(self, trainer: pl.Trainer, count: int) -> Iterator[range]:
        """This process's indices, in batches."""
        mine = range(trainer.global_rank, count, trainer.world_size)
        for start in range(0, len(mine), self.batch):
            yield mine[start : start + self.batch]

    def _best(self) -> list[Path]:
        return sorted((self.folder / "top").glob("[0-9]*.ckpt"))

    def _is_among_the_best(self, value: float) -> bool:
        best = self._best()
        return self.keep > 0 and (len(best) < self.keep or value < float(best[self.keep - 1].name.split("-")[0]))
