"""An endless, stateless stream over a data set, addressed by the global image index.

What image number i of a training is, and how it is augmented, depends on (seed, stream, i) alone: not on the number of
processes, workers or interruptions (docs/architecture.md#contract-5 and #contract-6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, Sampler

from vera.data.sample import FaceDataset, Sample
from vera.rng import key


def draws(seed: int, index: int, numbers: int) -> npt.NDArray[np.float64]:
    """The uniform numbers by which image number ``index`` of a training is augmented, ``(numbers,)`` in [0, 1)."""
    return np.random.default_rng(key(seed, "augment", index)).random(numbers)


class SampleAugmentation(Protocol):
    """Changes a sample, as uniform numbers decide (:class:`vera.data.augment.Augment`)."""

    numbers: int

    def __call__(self, sample: Sample, uniform: npt.NDArray[np.float64]) -> Sample:
        """The changed sample; ``uniform`` holds :attr:`numbers` numbers in [0, 1)."""
        ...


class Stream(Dataset[Sample]):
    """Image number i of a training: a new permutation each epoch, mirrored and augmented by chance.

    Args:
        dataset: data set of faces with segmentations.
        seed: seed of the run; whole number from 0.
        mirror: mirror every second face on average (all 13 classes are symmetric).
        augment: light, backgrounds and small poses, as data; None for the faces as they are.

    """

    def __init__(self, dataset: FaceDataset, *, seed: int, mirror: bool, augment: SampleAugmentation | None = None) -> None:
        self.dataset, self.seed, self.mirror, self.augment = dataset, seed, mirror, augment
        self._epoch, self._order = -1, np.arange(0)

    def __getitem__(self, index: int) -> Sample:
        """Sample with *global* index, any number from 0."""
        epoch, position = divmod(index, len(self.dataset))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng(key(self.seed, "order", epoch)).permutation(len(self.dataset))
        sample = self.dataset[int(self._order[position])]
        if self.mirror and key(self.seed, "mirror", index) & 1:
            sample = Sample(image=torch.flip(sample["image"], [-1]), labels=torch.flip(sample["labels"], [-1]))
        if self.augment is not None:
            sample = self.augment(sample, draws(self.seed, index, self.augment.numbers))
        return sample


class GlobalIndexSampler(Sampler[int]):
    """Global indices from where the run stands, dealt round-robin to the ranks; endless, so it has no length.

    Args:
        start: asked when iteration begins: images seen so far by all ranks together.
        rank: number of this process, from 0.
        ranks: number of processes that share the batch.

    """

    def __init__(self, start: Callable[[], int], *, rank: int, ranks: int) -> None:
        self.start, self.rank, self.ranks = start, rank, ranks

    def __iter__(self) -> Iterator[int]:
        """Yield indices for this rank."""
        index = self.start() + self.rank
        while True:
            yield index
            index += self.ranks
