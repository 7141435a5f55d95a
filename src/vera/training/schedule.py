"""Learning-rate schedule, a function of images seen."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, constant, cosine cool-down to zero.

    Args:
        total: images of the whole run.
        warm_up: images of the warm-up.
        cool_down: images of the cool-down at the end.

    """

    total: int
    warm_up: int
    cool_down: int

    def factor(self, images_seen: int) -> float:
        """Factor in [0, 1] of the learning rate."""
        up = min(1.0, (images_seen + 1) / self.warm_up) if self.warm_up else 1.0
        if not self.cool_down:
            return up
        left = min(max((self.total - images_seen) / self.cool_down, 0.0), 1.0)
        return up * (1 - math.cos(math.pi * left)) / 2
