"""What stands under a table: what its figures rest on, who was not written and why, and what makes it hard to compare or to repeat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vera.evaluation.report_table import Record, named


def notes(records: Sequence[Record], names: Sequence[str]) -> str:
    """All notes, as Markdown.

    Args:
        records: of the anonymizers, lines of ``results.jsonl``.
        names: their columns' titles.

    """
    together = list(zip(names, records, strict=True))
    sections = {
        "Data": _data(records),
        "Recognisers": _recognisers(records),
        "Not written": (f"{name}: {count} of: {why}" for name, record in together for why, count in record["why"].items()),
        "Not measured": _missing(records, names),
        "Read with care": _doubts(records),
    }
    parts = ["Shares have 95 % intervals. ↑: more is better, ↓: less is better."]
    for title, lines in sections.items():
        listed = [f"- {line.rstrip('.')}." for line in lines]
        if listed:
            parts.append(f"{title}:\n\n" + "\n".join(listed))
    return "\n\n".join(parts) + "\n"


def _data(records: Sequence[Record]) -> Iterator[str]:
    for digest, data in {record["data"]["digest"]: record["data"] for record in records}.items():
        lost = f", of {data['unusable']} people they can't be read" if data["unusable"] else ""
        yield f"{data['people']} people, {data['photographs']} photographs{lost} (digest {digest})"
        yield from (f"{count} more people were left out of every count: {why}" for why, count in data.get("left_out", {}).items())


def _recognisers(records: Sequence[Record]) -> Iterator[str]:
    """What thresholds stand for: on how many pairs they rest, at which rate, with intervals."""
    for name in named(records, "recognition/"):
        for stated in {json.dumps(one): one for one in _each(records, name, "calibration")}.values():
            said = stated["said"]
            rate = "nobody measured" if said["false_accept_rate"] is None else f"{said['false_accept_rate']:g}"
            yield f"{name}: own threshold {stated['threshold']:g}; its false-accept rate by its own word: {rate} ({said['calibration']})"
            yield from (f"{name}: {line}" for line in _measured(stated["pairs"], stated["measured"]))


def _measured(pairs: str | None, found: Mapping[str, Any] | None) -> Iterator[str]:
    if not found:
        yield "its thresholds were not calibrated in this run: give a pairs file"
        return
    left_out = f"{found['pairs_without_face']} more were left out, without a face in one of them"
    yield f"calibrated on {pairs}: {found['pairs_same']} pairs of one person, {found['pairs_different']} of two ({left_out})"
    own = found["own"]["false_accept_rate"]
    if own["of"]:
        yield f"measured false-accept rate of its own threshold: {own['share']:.3g} [{own['low']:.3g}, {own['high']:.3g}]"
    for rate, one in found["at"].items():
        if one["threshold"] is None:
            yield f"false-accept rate {rate}: too few pairs to show it"
        else:
            interval = f"{one['threshold']:.4g} [{one['threshold_low']:.4g}, {one['threshold_high']:.4g}]"
            passed = f"{one['true_accept_rate']['count']} of {one['true_accept_rate']['of']} pairs of one person pass"
            yield f"false-accept rate {rate}: threshold {interval}, at which {passed}"


def _missing(records: Sequence[Record], names: Sequence[str]) -> Iterator[str]:
    """What could not be computed, and why; anonymizers with the same reason together."""
    why: dict[str, list[str]] = {}
    for name, record in zip(names, records, strict=True):
        for measure, found in record["measures"].items():
            if "why" in found:
                why.setdefault(f"{measure}: {found['why']}", []).append(name)
    yield from (f"{reason} ({', '.join(without)})" for reason, without in why.items())


def _doubts(records: Sequence[Record]) -> Iterator[str]:
    sessions = [session for record in records for session in (*record["provenance"], record.get("measured_by")) if session]
    if any("measured_by" not in record for record in records):
        yield "an earlier version measured some columns, which did not record by which code: measure again"
    if any(record["data"]["photographs"] > record["data"]["people"] for record in records):
        yield "intervals take photographs for independent cases; those of one person (before, after) are not: the intervals are too narrow"
    if len({record["data"]["digest"] for record in records}) > 1:
        yield "the runs were made on different photographs: their columns are no comparison"
    if len({tuple(sorted(record["measures"])) for record in records}) > 1:
        yield "the runs were measured differently: some lines are empty for some of them"
    for name in named(records, "recognition/"):
        if len({json.dumps(one) for one in _each(records, name, "thresholds")}) > 1:
            yield f"the thresholds of {name} differ from run to run"
    states = {json.dumps([session["vera"], session["git"]]) for session in sessions}
    if len(states) > 1:
        yield f"the photographs were made and measured by {len(states)} states of the code"
    if any(session["git"] and session["git"]["changed"] for session in sessions):
        yield "the code had changes that are in no commit"


def _each(records: Sequence[Record], recogniser: str, key: str) -> list[Any]:
    found = (record["measures"].get(f"recognition/{recogniser}") for record in records)
    return [one[key] for one in found if one]
