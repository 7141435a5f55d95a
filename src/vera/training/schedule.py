"""Learning-rate schedule, a function of images seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vera.types import VeraError


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, constant, cosine cool-down to zero.

    Args:
        total: images of the whole run.
        warm_up: share of them in the warm-up.
        cool_down: share of them in the cool-down at the end.

    Raises:
        VeraError: when the two take more than the whole run.

    """

    total: int
    warm_up: float
    cool_down: float

    def __post_init__(self) -> None:
        if min(self.warm_up, self.cool_down) < 0 or self.warm_up + self.cool_down > 1:
            raise VeraError(f"schedule: warm_up={self.warm_up} and cool_down={self.cool_down} are shares of the run, together at most 1")

    def factor(self, images_seen: int) -> float:
        """Factor in [0, 1] of the learning rate."""
        done = images_seen / self.total
        up = min(1.0, (images_seen + 1) / (self.warm_up * self.total)) if self.warm_up else 1.0
        if not self.cool_down:
            return up
        left = min(max((1 - done) / self.cool_down, 0.0), 1.0)
        return up * (1 - math.cos(math.pi * left)) / 2
