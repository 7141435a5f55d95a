"""Two anonymizers whose results are known beforehand: they show that the measures can fail."""

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
        """Nothing to choose."""
        return {}

    def __call__(self, photographs: Sequence[Photograph], *, person: str, masks: Sequence[Mask | None] | None = None) -> AnonymizedPerson:
        """The photographs as they are; all of each counts as preserved."""
        results = []
        for photograph in photographs:
            everywhere = np.ones(photograph.size, dtype=bool)
            results.append(Anonymized(photograph.name, photograph.pixels.copy(), everywhere, ~everywhere))
        return AnonymizedPerson(person, results, {"anonymizer": self.name})


class Constant:
    """An image of one grey: no face is found in it.

    Args:
        value: the grey, 0 to 255.

    """

    name = "constant"

    def __init__(self, *, value: int = 128) -> None:
        self.value = value

    @property
    def config(self) -> dict[str, Any]:
        """The grey."""
        return {"value": self.value}

    def __call__(self, photographs: Sequence[Photograph], *, person: str, masks: Sequence[Mask | None] | None = None) -> AnonymizedPerson:
        """Grey images of the photographs' sizes; nothing is preserved."""
        results = []
        for photograph in photographs:
            nowhere = np.zeros(photograph.size, dtype=bool)
            results.append(Anonymized(photograph.name, np.full_like(photograph.pixels, self.value), nowhere, ~nowhere))
        return AnonymizedPerson(person, results, {"anonymizer": self.name})
