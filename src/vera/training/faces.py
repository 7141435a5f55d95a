"""What one phase of a step sees: real faces, and the global image indices that everything random about them is keyed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vera.data.sample import Sample, decode_images, decode_labels
from vera.types import VeraError


@dataclass(frozen=True)
class Faces:
    """Some of a batch's faces, decoded when asked for.

    Attributes:
        sample: as bytes, see :class:`Sample`.
        indices: global image index of each.

    """

    sample: Sample
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def images(self) -> Tensor:
        """``(B, 3, S, S)`` in [-1, 1], channels last (faster on CPUs and tensor cores)."""
        return decode_images(self.sample["image"]).contiguous(memory_format=torch.channels_last)

    @property
    def segmentations(self) -> Tensor:
        """``(B, K, S, S)`` in 2p - 1."""
        return 2 * decode_labels(self.sample["labels"]) - 1

    @property
    def step(self) -> tuple[int, int]:
        """Number of the step, and the images of a step over all processes and micro-batches: known to each of them alike."""
        spacing = self.indices[1] - self.indices[0] if len(self) > 1 else 1
        return self.indices[0] // (spacing * len(self)), spacing * len(self)

    def __getitem__(self, part: slice) -> Faces:
        """Some of them."""
        return Faces(Sample(image=self.sample["image"][part], labels=self.sample["labels"][part]), self.indices[part])

    def micro_batches(self, size: int | None) -> list[Faces]:
        """Parts of at most ``size`` faces, dealt round-robin.

        Dealt so, the groups that the discriminator compares hold the same images however a batch is split over processes and
        micro-batches: a step's result does not depend on the split.
        """
        parts = -(-len(self) // (size or len(self)))
        return [self[slice(number, None, parts)] for number in range(parts)]


def dealt(batch: Sample, *, images_seen: int, rank: int, ranks: int) -> Faces:
    """One process's share of a step, with its global indices (see :class:`vera.data.stream.GlobalIndexSampler`)."""
    count = len(batch["image"])
    return Faces(batch, range(images_seen + rank, images_seen + rank + ranks * count, ranks))


def require_whole_groups(share: int, per_device: int | None, group: int) -> None:
    """The one place where the global batch meets devices and groups.

    Args:
        share: faces of one device in a step, the batch divided by the number of processes.
        per_device: faces of one micro-batch; None for the whole share.
        group: faces that the discriminator compares with each other.

    Raises:
        VeraError: when a share is no multiple of its micro-batches, or a micro-batch none of its groups.

    """
    size = per_device or share
    if share % size or size % group:
        raise VeraError(
            f"a device's share of batch_size is {share} faces, in micro-batches of {size}, compared in groups of {group}: choose "
            f"batch_size and per_device so that the share is a multiple of the micro-batch, and that of {group}"
        )
