"""The word on a person's record of the audit: PASS, REVIEW or REFUSED. Report and page take it from here, so that they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PASS, REVIEW, REFUSED = "PASS", "REVIEW", "REFUSED"
NARROW = 1.05
"""DECISION: an output that is less than this many times the needed distance from its source is to be looked at twice."""
ATTEMPT = "attempt "
"""Beginning of warnings about earlier attempts, whose faces were not taken: there is nothing of them to look at."""


@dataclass(frozen=True)
class Assessment:
    """A verdict, and what a person must look at.

    Attributes:
        verdict: PASS (verified, nothing in particular to look at), REVIEW (verified, with points) or REFUSED (nothing was written).
        warnings: warnings of the record but for those about earlier attempts.
        narrow: one sentence for each distance that is verified and less than :data:`NARROW` times the needed one.

    """

    verdict: str
    warnings: tuple[str, ...]
    narrow: tuple[str, ...]


def assess(record: Mapping[str, Any]) -> Assessment:
    """Judge a record; whether an output is written at all was decided by the verification.

    Args:
        record: a person's record of the audit, of any status.

    Examples:
        >>> from vera.anonymization.assessment import assess
        >>> judged = {"name": "dlib", "refusal_threshold": 0.6, "output_to_source": [[0.7, 0.62]]}
        >>> found = assess({"status": "written", "verification": {"recognisers": [judged]}})
        >>> found.verdict, found.narrow
        ('REVIEW', ('photograph 1: its distance to the person by dlib is 0.620, less than 1.05 times the needed 0.600',))

    """
    if record["status"] != "written":
        return Assessment(REFUSED, (), ())
    warnings = tuple(str(warning) for warning in record.get("warnings", ()) if not warning.startswith(ATTEMPT))
    narrow = tuple(_narrow(record.get("verification", {}).get("recognisers", ())))
    return Assessment(REVIEW if warnings or narrow else PASS, warnings, narrow)


def _narrow(recognisers: Any) -> list[str]:
    """A sentence for each output that is near its source; a row without distances is of a photograph without a face."""
    found = []
    for recogniser in recognisers:
        needed = recogniser["refusal_threshold"]
        for number, distances in enumerate(recogniser["output_to_source"], 1):
            least = None if None in distances else min(distances, default=float("inf"))
            if least is None or least < NARROW * needed:
                told = "none" if least is None else f"{least:.3f}"
                said = f"its distance to the person by {recogniser['name']} is {told}, less than {NARROW} times the needed {needed:.3f}"
                found.append(f"photograph {number}: {said}")
    return found
