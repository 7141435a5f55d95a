"""Check the numbers of an experiment's configuration before anything is read or built."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from vera.types import VeraError

if TYPE_CHECKING:
    from omegaconf import DictConfig


class Range(NamedTuple):
    """Values that a setting may take.

    Attributes:
        whole: whether only whole numbers are allowed.
        low: smallest allowed value.
        high: largest allowed value.
        above: ``low`` itself is too small.
        optional: null is a value, too.
        numbers: number of values in a list; 0 for one value.

    """

    whole: bool
    low: float
    high: float = math.inf
    above: bool = False
    optional: bool = False
    numbers: int = 0

    def holds(self, value: Any) -> bool:
        """Whether a value is one of them."""
        if self.numbers:
            single = self._replace(numbers=0)
            return hasattr(value, "__iter__") and len(value) == self.numbers and all(single.holds(one) for one in value)
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return False
        return math.isfinite(value) and (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        kind = f"{self.numbers} numbers" if self.numbers else "a whole number" if self.whole else "a number"
        low, high = (f"{end:.0f}" if self.whole and math.isfinite(end) else f"{end:g}" for end in (self.low, self.high))
        beyond = "" if math.isinf(self.low) else f" above {low}" if self.above else f" from {low}"
        return kind + beyond + (f" to {high}" if math.isfinite(self.high) else "") + (", or null" if self.optional else "")


SEED, AT_LEAST_ONE, POSITIVE = Range(True, 0, 2**32 - 1), Range(True, 1), Range(False, 0, above=True)
TRAIN = {
    "seed": SEED,
    "images": AT_LEAST_ONE,
    "batch_size": AT_LEAST_ONE,
    "optim.lr": POSITIVE,
    "optim.eps": POSITIVE,
    "optim.betas": Range(False, 0, math.nextafter(1, 0), numbers=2),
    "data.workers": Range(True, 0),
    "generator.size": AT_LEAST_ONE,
    "stage.per_device": Range(True, 1, optional=True),
    "stage.schedule.total": AT_LEAST_ONE,
    "stage.schedule.warm_up": Range(False, 0),
    "stage.schedule.cool_down": Range(False, 0),
    "stage.ema.half_life": POSITIVE,
    "stage.ema.ramp_up": Range(False, 0),
}
EVALUATE = {
    "seed": Range(True, 0, 2**63 - 1),
    "batch_size": AT_LEAST_ONE,
    "limit": Range(True, -math.inf, optional=True),  # too few are told by the evaluation
    "panels": Range(True, 0),
    "diversity.people": Range(True, 0),
    "diversity.seeds": Range(True, 0),
}


def require_settings(config: DictConfig, ranges: dict[str, Range]) -> None:
    """Check an experiment's numbers.

    Args:
        config: the composed configuration of the experiment.
        ranges: allowed range of each setting, by its key; keys that the configuration lacks are passed over.

    Raises:
        VeraError: a number is none, or out of its range.

    """
    from omegaconf import OmegaConf

    missing = object()
    for key, allowed in ranges.items():
        value = OmegaConf.select(config, key, default=missing)
        if value is not missing and not allowed.holds(value):
            raise VeraError(f"{key}={value}: give {allowed}")
