"""The verdict on a result, taken from its record in the audit: PASS, REVIEW or REFUSED, with the distances."""

from __future__ import annotations

from typing import Any

NARROW = 1.05
"""DECISION: an output that is less than this many times the needed distance from its source is to be looked at twice."""


def outcome_of(record: dict[str, Any]) -> dict[str, Any]:
    """A record's verdict and numbers.

    PASS: verified, no warning, and every distance well above what is needed. REVIEW: verified, with a warning or a narrow distance.
    REFUSED: nothing was written.

    Args:
        record: a person's record of the audit.

    """
    judged = [_judged(one) for one in (record.get("verification") or {}).get("recognisers", [])]
    warnings = [str(warning) for warning in record.get("warnings", [])]
    narrow = any(one["nearest"] is None or one["nearest"] < NARROW * one["needed"] for one in judged)
    written = record["status"] == "written"
    return {
        "verdict": ("REVIEW" if warnings or narrow else "PASS") if written else "REFUSED",
        "narrow": narrow,
        "seed": record.get("seed"),
        "identity": record.get("identity"),
        "attempt": record.get("attempt"),
        "seconds": record.get("seconds_in_all"),
        "reason": record.get("reason"),
        "warnings": warnings,
        "recognisers": judged,
        "files": [list(file["written"]) for file in record["files"]],
    }


def _judged(recogniser: dict[str, Any]) -> dict[str, Any]:
    """A recogniser's smallest distance from an output to a source, and largest between two outputs, beside their limits."""
    to_source = [distance for row in recogniser["output_to_source"] for distance in row]
    between = recogniser["between_outputs"]
    return {
        "name": recogniser["name"],
        "nearest": None if None in to_source or not to_source else min(to_source),
        "needed": recogniser["refusal_threshold"],
        "between": max(between) if between and None not in between else None,
        "alike": recogniser["threshold"],
    }
