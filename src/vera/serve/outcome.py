"""The verdict on a result, taken from its record in the audit: PASS, REVIEW or REFUSED, with the distances."""

from __future__ import annotations

from typing import Any

from vera.anonymization.assessment import assess


def outcome_of(record: dict[str, Any]) -> dict[str, Any]:
    """A record's verdict (:mod:`vera.anonymization.assessment`) and its numbers.

    Args:
        record: a person's record of the audit.

    """
    judged = [_judged(one) for one in (record.get("verification") or {}).get("recognisers", [])]
    assessed = assess(record)
    return {
        "verdict": assessed.verdict,
        "seed": record.get("seed"),
        "identity": record.get("identity"),
        "attempt": record.get("attempt"),
        "seconds": record.get("seconds_in_all"),
        "reason": record.get("reason"),
        "warnings": [*assessed.warnings, *assessed.narrow],
        "recognisers": judged,
        "files": [list(file["written"]) for file in record["files"]],
        "report": list(record.get("report", {})),
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
