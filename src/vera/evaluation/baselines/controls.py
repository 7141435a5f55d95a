"""The anonymizer that changes nothing: the first line of every table, and a check that the measures can fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vera.types import Anonymized, AnonymizedPerson, Mask, Photograph


class Untouched:
    """The identity function: everybody is re-identified, and the Fréchet distance is 0."""

    name = "untouched"

    @property
    def config(self) -> dict[str, Any]:
        """Parameters of the method: none."""
        return {}

    def __call__(self, photographs: Sequence[Photograph], *, person: str, masks: Sequence[Mask | None] | None = None) -> AnonymizedPerson:
        """The photographs as they are; all of each counts as preserved."""
        results = []
        for photograph in photographs:
            everywhere = np.ones(photograph.size, dtype=bool)
            results.append(Anonymized(photograph.name, photograph.pixels.copy(), everywhere, ~everywhere))
        return AnonymizedPerson(person, results, {"anonymizer": self.name})
