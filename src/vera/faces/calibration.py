"""Calibrated recogniser thresholds: for each recogniser and false-accept rate (FAR), the distance below which two faces match.

The numbers are in ``calibration.json`` beside this file, with the photographs they come from, their counts and intervals;
``experiments/recogniser_calibration/run.py`` measures them and writes the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vera.types import VeraError

DEFAULT_FAR = 0.001
"""DECISION: the false-accept rate of thresholds unless another one is asked for."""


@dataclass(frozen=True)
class Calibrated:
    """A recogniser's threshold at one false-accept rate.

    Attributes:
        threshold: distance below which two photographs are taken for one person.
        false_accept_rate: share of pairs of different people below it, as measured.
        text: origin of the numbers, for the audit.

    """

    threshold: float
    false_accept_rate: float
    text: str


def calibrated(recogniser: str, far: float) -> Calibrated:
    """The threshold of a recogniser at a false-accept rate.

    Args:
        recogniser: name of the recogniser, such as ``sface``.
        far: false-accept rate: the share of pairs of different people that may pass for one person, in (0, 1).

    Raises:
        VeraError: for a recogniser or a rate that was not calibrated; lists what was.

    """
    records = calibrations()
    if recogniser not in records:
        raise VeraError(f"the recogniser '{recogniser}' was not calibrated: choose from {', '.join(records)}")
    record = records[recogniser]
    known = {float(rate): point for rate, point in record["at"].items()}
    if far not in known:
        raise VeraError(f"no threshold was calibrated for a false-accept rate of {far:g}: choose from {', '.join(record['at'])}")
    point = known[far]
    low, high = point["threshold_interval"]
    text = (
        f"threshold {point['threshold']:.3f} (95 % interval {low:.3f} to {high:.3f}) for a false-accept rate of {far:g}: "
        f"{point['false_accepts']} of {record['pairs_different']} pairs of different people in {record['data']}, "
        f"detector {record['detector']}, measured by experiments/recogniser_calibration"
    )
    return Calibrated(point["threshold"], point["false_accept_rate"], text)


def calibrations() -> dict[str, dict[str, Any]]:
    """All stored calibrations, by the recogniser's name."""
    records: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("calibration.json").read_text(encoding="utf-8"))
    return records
