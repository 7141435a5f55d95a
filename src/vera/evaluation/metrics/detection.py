"""Detection rate: in how many anonymized photographs is there still a face, where one was?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vera.evaluation.metrics.collected import Collected
from vera.evaluation.metrics.shares import Groups, share


class DetectionRate(Collected):
    """Share of photographs in which one detector found the face; one metric for each of several detectors.

    Args:
        groups: all labels that may come.

    """

    higher_is_better = True

    def __init__(self, *, groups: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = Groups(groups)
        self.add_column("found", torch.bool)
        self.add_column("group", torch.int64)

    def update(self, found: Sequence[bool], groups: Sequence[str | None] | None = None) -> None:
        """Add photographs: :attr:`vera.evaluation.metrics.observation.Observation.found` of each.

        Raises:
            VeraError: an unknown group, or groups for another number of photographs.

        """
        self.append("group", self.groups.numbers(groups, len(found)))
        self.append("found", np.asarray(found, dtype=bool))

    def compute(self) -> dict[str, Any]:
        """The share, and the same for each of the ``groups``."""
        found = self.column("found").astype(bool)
        return {**share(found), "groups": self.groups.split(self.column("group"), lambda mask: share(found[mask]))}
