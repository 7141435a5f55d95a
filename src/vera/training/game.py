"""What a stage's networks do with each other, as the LightningModule sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import nn

from vera.generator.adaptation import AdaptiveStrength
from vera.training.draws import Draws
from vera.training.phases import Phase, Terms


class Game(Protocol):
    """Objectives compute, the module orchestrates: a game knows the losses of its phases, and nothing of optimizers or devices.

    Every implementation is an :class:`torch.nn.Module` that holds the networks of its sides.

    Attributes:
        stage: name of the stage, for checkpoints and export.
        sides: the networks that take turns, each with its own optimizer and a ``config`` of its constructor's arguments.
        averaged: the one whose average becomes the bundle.
        phases: of a step, in their order.
        group: faces that are compared or mixed with each other: a share of the batch is a multiple of it.
        strength: of the discriminator's augmentation; None without one.
        draws: source of everything random, set when the run begins.

    """

    stage: str
    phases: Sequence[Phase]
    strength: AdaptiveStrength | None
    draws: Draws

    @property
    def sides(self) -> Mapping[str, nn.Module]: ...  # noqa: D102

    @property
    def averaged(self) -> nn.Module: ...  # noqa: D102

    @property
    def group(self) -> int: ...  # noqa: D102

    def settle(self, terms: Terms, *, images: int) -> None:
        """After a step: what its terms, reduced over all processes, change in the game's state."""
        ...
