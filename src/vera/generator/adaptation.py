"""Adaptive strength of the discriminator's augmentation (ADA: Karras et al. 2020b), which keeps it from over-fitting."""

from __future__ import annotations

from collections.abc import Mapping


class AdaptiveStrength:
    """The strength of the augmentation, from the signs of the discriminator's logits on real images.

    Their mean is near 0 while real and generated images can't be told apart and near 1 when the discriminator overfits. After
    every ``interval`` real images the strength takes a fixed step up or down, towards the target (equation 1, r_t).

    Args:
        target: the mean sign to hold (0.6 as published).
        speed: images in which the strength can rise from 0 to 1 (500 000 as published).
        interval: real images between two steps (as published, four batches).
        strength: initial strength, in [0, 1]; 0 by default.

    Attributes:
        strength: probability of each operation, in [0, 1].
        mean_sign: the mean at the last step, for the log.

    """

    def __init__(self, *, target: float, speed: int, interval: int, strength: float = 0.0) -> None:
        self.target, self.speed, self.interval = target, speed, interval
        self.strength, self.mean_sign = strength, 0.0
        self._sum, self._count = 0.0, 0

    def update(self, sign_sum: float | int, count: int) -> float:
        """Update the strength with the logit signs of one batch of real images.

        Args:
            sign_sum: sum of the signs of the logits; under DDP the sum over all ranks, so that they stay equal.
            count: number of logits, over all ranks.

        Returns:
            The strength from now on.

        """
        self._sum, self._count = self._sum + float(sign_sum), self._count + int(count)
        if self._count >= self.interval:
            self.mean_sign = self._sum / self._count
            direction = (self.mean_sign > self.target) - (self.mean_sign < self.target)
            self.strength = min(max(self.strength + direction * self._count / self.speed, 0.0), 1.0)
            self._sum, self._count = 0.0, 0
        return self.strength

    def state_dict(self) -> dict[str, float]:
        """State for the checkpoint: all numbers that the next update depends on."""
        return {"strength": self.strength, "mean_sign": self.mean_sign, "sum": self._sum, "count": self._count}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Continue from a checkpoint."""
        self.strength, self.mean_sign = float(state["strength"]), float(state["mean_sign"])
        self._sum, self._count = float(state["sum"]), int(state["count"])
