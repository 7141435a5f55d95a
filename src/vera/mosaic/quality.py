"""Reject mosaics whose colours do not occur in the source photographs.

For each kind of fault a colour difference is learnt from the sources as a Gaussian that depends linearly on the skin's colour. A
mosaic that is stranger than nearly all sources has the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from vera.mosaic.look import SkinLook

Floats = npt.NDArray[np.float64]

DIFFERENCES: dict[str, Callable[[SkinLook], Floats]] = {
    "strange lips": lambda look: look.lips - look.skin,
    "strange teeth": lambda look: look.teeth - look.skin,
    "strange forehead": lambda look: look.forehead - look.skin,
    "patchy beard": lambda look: np.concatenate([look.chin - look.skin, look.moustache - look.skin]),
    "face and hair that do not go together": lambda look: look.brows - look.hair,
}
STRANGE = 0.98
"""DECISION: a mosaic may be as strange as this share of the sources."""
SURE = 3.0
"""DECISION: and it may always be as strange as this many standard deviations: few sources may all look alike."""
LEAST = 12
"""DECISION: fewer sources that show something say nothing about what occurs."""
FLOOR = 2.0
"""DECISION: standard deviation in CIELAB units that is taken for granted in every direction."""


class Norms:
    """Distribution of the colours that occur in the source photographs.

    Args:
        looks: colours of the source photographs, in all roles.

    Attributes:
        unchecked: faults for which too few sources show anything (the report says so).

    """

    def __init__(self, looks: Sequence[SkinLook]) -> None:
        self._learnt: dict[str, tuple[Floats, Floats, float]] = {}
        self.unchecked: list[str] = []
        for fault, difference in DIFFERENCES.items():
            pairs = [(_terms(look), difference(look)) for look in looks]
            seen = [(terms, values) for terms, values in pairs if np.isfinite(terms).all() and np.isfinite(values).all()]
            if len(seen) < LEAST:
                self.unchecked.append(fault)
                continue
            terms, values = np.stack([t for t, _ in seen]), np.stack([v for _, v in seen])
            ridge = np.diag([0.0, *([0.1] * (terms.shape[1] - 1))]) * len(seen) / LEAST
            slope = np.asarray(np.linalg.solve(terms.T @ terms + ridge, terms.T @ values), dtype=np.float64)
            residuals = values - terms @ slope
            covariance = residuals.T @ residuals / len(seen) + FLOOR**2 * np.eye(values.shape[1])
            precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
            strangeness = np.sqrt(np.einsum("ni,ij,nj->n", residuals, precision, residuals))
            self._learnt[fault] = slope, precision, max(float(np.quantile(strangeness, STRANGE)), SURE)

    def faults(self, look: SkinLook) -> dict[str, float]:
        """Find the faults of a face with their strength, 1 being the limit; empty when there are none."""
        found = {}
        for fault, (slope, precision, limit) in self._learnt.items():
            residual = DIFFERENCES[fault](look) - _terms(look) @ slope
            if np.isfinite(residual).all():  # closed lips show no teeth: nothing to judge
                strangeness = float(np.sqrt(residual @ precision @ residual)) / limit
                if strangeness > 1:
                    found[fault] = strangeness
        return found


def _terms(look: SkinLook) -> Floats:
    """A constant and the skin's colour, about centred and scaled."""
    return np.concatenate([[1.0], (look.skin - [60, 12, 16]) / [15, 5, 6]])
