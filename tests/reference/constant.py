"""An anonymizer whose results are known beforehand: nobody can be found in them."""

import numpy as np

from vera.types import Anonymized, AnonymizedPerson


class Constant:
    """An image of one grey: no face is found in it.

    Args:
        value: the grey, 0 to 255.

    """

    name = "constant"

    def __init__(self, *, value=128):
        self.value = value

    @property
    def config(self):
        """The grey."""
        return {"value": self.value}

    def __call__(self, photographs, *, person, masks=None):
        """Grey images of the photographs' sizes; nothing is preserved."""
        results = []
        for photograph in photographs:
            nowhere = np.zeros(photograph.size, dtype=bool)
            results.append(Anonymized(photograph.name, np.full_like(photograph.pixels, self.value), nowhere, ~nowhere))
        return AnonymizedPerson(person, results, {"anonymizer": self.name})
