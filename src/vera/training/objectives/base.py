"""The protocol of training objectives: the faces of a step, its phases, and the discriminator's forward pass under ADA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from vera.data.sample import Sample, decode_images, decode_labels
from vera.generator.adaptation import AdaptiveStrength
from vera.generator.augmentation import Augmentation
from vera.generator.objective import discriminator_loss, gradient_penalty
from vera.ops.precision import at_least_single
from vera.rng import Draws
from vera.types import VeraError


@dataclass(frozen=True)
class Faces:
    """A subset of a batch's faces, decoded on access.

    Attributes:
        sample: images and labels as bytes, see :class:`Sample`.
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
        """Select a subset of the faces."""
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
    """Check that a process's share of the batch divides into micro-batches and groups.

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


Terms = dict[str, Tensor]
"""Scalars by name, means over the faces they were computed from."""


@dataclass(frozen=True)
class Phase:
    """One backward pass and one optimizer step of one network.

    Attributes:
        name: name in the log.
        trains: the network whose parameters are trained.
        every: run in every n-th step, its loss times n (lazy regularisation, Karras et al. 2020, section 3.1); 0 for never.
        shrink: run on the first 1/n of the batch.
        precise: whether to compute in float32 with networks that are not compiled, as what is differentiated twice needs.
        loss: loss of a micro-batch, unweighted by ``every``, with the log's values.
        begin: images seen before it runs.

    """

    name: str
    trains: str
    every: int
    shrink: int
    precise: bool
    loss: Callable[[Faces], tuple[Tensor, Terms]]
    begin: int = 0

    def due(self, images_seen: int, batch: int) -> bool:
        """Whether the phase runs in the step that starts at ``images_seen``; counted in images, so that a resume changes nothing."""
        return self.every > 0 and images_seen >= self.begin and (images_seen // batch) % self.every == 0


class Objective(Protocol):
    """Protocol of training objectives: the networks and losses of each phase, without optimizers or devices.

    Every implementation is an :class:`torch.nn.Module` that holds its networks.

    Attributes:
        stage: name of the stage, for checkpoints and export.
        networks: networks that take turns, by name, each with its own optimizer and a ``config`` of its constructor's arguments.
        averaged: the one whose average becomes the bundle.
        phases: phases of a step, in their order.
        group: faces that are compared or mixed with each other: a share of the batch is a multiple of it.
        strength: strength of the discriminator's augmentation; None without one.
        equal_rates: one learning rate for all parameters, whatever their network asks for.
        draws: source of everything random, set when the run begins.

    """

    stage: str
    phases: Sequence[Phase]
    strength: AdaptiveStrength | None
    equal_rates: bool
    draws: Draws

    @property
    def networks(self) -> Mapping[str, nn.Module]: ...  # noqa: D102

    @property
    def averaged(self) -> nn.Module: ...  # noqa: D102

    @property
    def group(self) -> int: ...  # noqa: D102

    def on_step_end(self, terms: Terms, *, images: int) -> None:
        """End of a step: update the objective's state from the terms, reduced over all processes."""
        ...


@dataclass
class AugmentedDiscriminator:
    """Discriminator forward pass with ADA augmentation, the same for real and generated faces.

    Attributes:
        augmentation: augmentation of both real and generated images; None for none.
        strength: strength of it, adapted to the discriminator's over-fitting; required with an augmentation.

    """

    augmentation: Augmentation | None
    strength: AdaptiveStrength | None

    def __call__(
        self,
        discriminator: Callable[[Tensor, Tensor], Tensor],
        images: Tensor,
        segmentations: Tensor,
        *,
        draws: Draws,
        stream: str,
        indices: Sequence[int],
    ) -> Tensor:
        """Logits, at least float32.

        Args:
            discriminator: the discriminator, compiled or not.
            images: images, values in [-1, 1].
            segmentations: segmentations in 2p - 1, values nominally in [-1, 1].
            draws: keyed random numbers of the run.
            stream: name of the random stream of these faces.
            indices: global image indices of the faces.

        """
        if self.augmentation is not None and self.strength is not None:
            uniform = draws.uniform(f"{stream}/augmentation", indices, self.augmentation.numbers)
            images, segmentations = self.augmentation(images, segmentations, self.strength.strength, uniform)
        return at_least_single(discriminator(images, segmentations))


def tell_apart(real: Tensor, fake: Tensor) -> tuple[Tensor, Terms]:
    """The discriminator's loss on its logits, with the terms for the log."""
    return discriminator_loss(real, fake), {"logits/real": real.mean(), "logits/fake": fake.mean(), "logits/sign": real.sign().mean()}


def penalise(logits: Tensor, images: Tensor, segmentations: Tensor, *, image: float, segmentation: float) -> tuple[Tensor, Terms]:
    """R1 on both inputs, see :func:`vera.generator.objective.gradient_penalty`.

    Args:
        logits: discriminator outputs on real photographs.
        images: unaugmented images that the logits were computed from, requiring gradients.
        segmentations: unaugmented segmentations of these images, in 2p - 1, requiring gradients.
        image: γ of the image's term.
        segmentation: γ of the segmentation's.

    """
    r1_image, r1_segmentation = (penalty.mean() for penalty in gradient_penalty(logits, images, segmentations))
    return (image * r1_image + segmentation * r1_segmentation) / 2, {"r1/image": r1_image, "r1/segmentation": r1_segmentation}
