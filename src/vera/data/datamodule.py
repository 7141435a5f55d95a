"""The LightningDataModule: serves a data set as an endless stream from any image index."""

from __future__ import annotations

import signal
from typing import Any, cast

import cv2
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from vera.data.sample import FaceDataset, Sample
from vera.data.stream import GlobalIndexSampler, SampleAugmentation, Stream
from vera.types import VeraError


class FaceDataModule(pl.LightningDataModule):
    """LightningDataModule that yields batches of :class:`Sample`, starting at the image that the run has reached.

    Args:
        dataset: data set of faces with segmentations.
        batch_size: images of one step over *all* ranks together.
        workers: loader processes (0: in the training process).
        seed: seed of the run; whole number from 0.
        mirror: whether every second face on average is mirrored, see :class:`Stream`.
        augment: light, backgrounds and small poses as training data; None leaves the faces as they are.

    """

    def __init__(
        self, *, dataset: FaceDataset, batch_size: int, workers: int, seed: int, mirror: bool, augment: SampleAugmentation | None = None
    ) -> None:
        super().__init__()
        self.dataset, self.batch_size, self.workers = dataset, batch_size, workers
        self.seed, self.mirror, self.augment = seed, mirror, augment

    def train_dataloader(self) -> DataLoader[Sample]:
        """The stream, from the module's ``images_seen`` on."""
        trainer = cast(Any, self.trainer)
        ranks = trainer.world_size
        if self.batch_size % ranks:
            raise VeraError(f"batch_size={self.batch_size} is not divisible by {ranks} processes: choose a multiple")
        sampler = GlobalIndexSampler(lambda: int(trainer.lightning_module.images_seen), rank=trainer.global_rank, ranks=ranks)
        return DataLoader(
            Stream(self.dataset, seed=self.seed, mirror=self.mirror, augment=self.augment),
            batch_size=self.batch_size // ranks,
            sampler=sampler,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            worker_init_fn=_prepare_worker,
            drop_last=True,
        )


def _prepare_worker(number: int) -> None:
    """One thread each: OpenCV takes all cores in every worker, which brought a machine of 16 to a standstill.

    Signals that stop a run reach the whole process group on a cluster. They are the trainer's (docs/architecture.md#contract-9),
    which still needs the workers to end its step.
    """
    cv2.setNumThreads(1)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
