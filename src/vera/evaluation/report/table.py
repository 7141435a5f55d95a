"""The report's table (one line a figure, one column an anonymizer) and the notes under it: what figures rest on and who is missing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
"""One line of ``results.jsonl``."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        title: with an arrow where it is clear which way is better.
        read: a record's value: a number, a share with its interval, a text, or None where nothing could be measured.

    """

    title: str
    read: Callable[[Record], Any]


def figures(records: Sequence[Record]) -> list[Figure]:
    """Every figure that at least one record has, in the table's order."""
    found = [
        Figure("people", lambda r: r["people"]["all"]),
        Figure("written", lambda r: r["people"]["written"]),
        Figure("refused by its own verification", lambda r: r["people"]["refused"]),
        Figure("photographs it could not use", lambda r: r["people"]["unusable"]),
        Figure("failed", lambda r: r["people"]["failed"]),
        *(at(f"face found, {name} ↑", f"detection/{name}", "anonymized") for name in named(records, "detection/")),
    ]
    for name in named(records, "recognition/"):
        key = f"recognition/{name}"
        thresholds = dict.fromkeys(t for r in records for t in r["measures"].get(key, {}).get("thresholds", ()))
        found += [at(f"recognised, {name} at {spelled(t)} ↓", key, "nearest", "recognised", t) for t in thresholds]
        found += [at(f"rank {k}, {name} ↓", key, "nearest", f"rank_{k}") for k in (1, 5)]
        found += [
            at(f"people in the gallery of these ranks, {name}", key, "nearest", "people_in_gallery"),
            at(f"rank 1 by another photograph, {name} ↓", key, "others", "rank_1"),
            at(f"median distance to the own person, {name} ↑", key, "nearest", "median_distance"),
            at(f"pairs: equal error rate, {name} ↓", key, "pairs", "anonymized", "eer"),
            at(f"pairs: the same on the originals, {name}", key, "pairs", "originals", "eer"),
            at(f"pairs: AUC, {name} ↑", key, "pairs", "anonymized", "auc"),
            at(f"pairs: the same on the originals (AUC), {name}", key, "pairs", "originals", "auc"),
            at(f"distance between seeds, {name} ↑", key, "diversity", "mean_distance"),
        ]
    found += [
        at("share of the face that is changed ↑", "replacement", "mean_share"),
        at("preserved region identical ↑", "preservation", "identical"),
        at("preserved region: PSNR where it is not, dB ↑", "preservation", "psnr"),
        at("preserved region: LPIPS ↓", "preservation", "lpips"),
        at("seam gradient ratio (1 = as before)", "preservation", "seam_ratio"),
        at("pose change, degrees ↓", "attributes", "pose_degrees"),
        at("age change, years ↓", "attributes", "age_years"),
        at("landmark error learnt from these faces, eye distances ↓", "utility", "learnt_from_anonymized"),
        at("learnt from the originals", "utility", "learnt_from_real"),
        at("of a mean face", "utility", "mean_face"),
        *(at(f"{spelled(name)} ↓", name, "value") for name in of_sets(records)),
        Figure("seconds a photograph (median) ↓", lambda r: (r["seconds_a_photograph"] or {}).get("median")),
    ]
    titles = [one.title for one in found]
    assert len(set(titles)) == len(titles), "two figures of one title: one would be lost in the CSV"
    return [one for one in found if any(one.read(record) is not None for record in records)]


def at(title: str, measure: str, *path: str) -> Figure:
    """Look up a figure in nested measures by its keys."""

    def read(record: Record) -> Any:
        value: Any = record["measures"].get(measure)
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return None if isinstance(value, Mapping) and value.get("share", 0) is None else value

    return Figure(title, read)


def named(records: Iterable[Record], prefix: str) -> list[str]:
    """Select the measures whose names have a prefix, and strip it."""
    return list(dict.fromkeys(name.removeprefix(prefix) for r in records for name in r["measures"] if name.startswith(prefix)))


def of_sets(records: Iterable[Record]) -> list[str]:
    """Measures with one ``value``: distances of sets of images, LPIPS, and any metric that gives a single number or a ``mean``."""
    return list(dict.fromkeys(name for r in records for name, found in r["measures"].items() if "value" in found))


def spelled(name: str) -> str:
    """Format a name for readers."""
    known = {"own": "its own threshold", "fid": "FID", "kid": "KID"}
    return known.get(name) or (f"a false-accept rate of {name[4:]}" if name.startswith("far_") else name.replace("_", " "))


def markdown(records: Sequence[Record], names: Sequence[str]) -> str:
    """The table; shares with their 95 % intervals.

    Args:
        records: results of the anonymizers, lines of ``results.jsonl``.
        names: titles of the anonymizers' columns.

    """
    rows = [["", *names], ["---", *["---:"] * len(names)]]
    rows += [[one.title, *(cell(one.read(record)) for record in records)] for one in figures(records)]
    return markdown_table(rows)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a Markdown table.

    Args:
        rows: texts; the first row is the header, the second its rule (``---`` or ``---:`` a column).

    """
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def cell(value: Any) -> str:
    """A value as the Markdown table shows it."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"{value['share']:.1%} [{value['low']:.0%}, {value['high']:.0%}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def comma_separated(records: Sequence[Record], names: Sequence[str]) -> str:
    """The same as CSV: one line an anonymizer, plain numbers, a share's interval in columns of its own."""
    lines: list[dict[str, Any]] = []
    for name, record in zip(names, records, strict=True):
        line: dict[str, Any] = {"anonymizer": name}
        for one in figures(records):
            value, title = one.read(record), one.title.rstrip(" ↑↓")
            if isinstance(value, Mapping):
                line |= {title: value["share"], f"{title}: low": value["low"], f"{title}: high": value["high"]}
            else:
                line[title] = value
        lines.append(line)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(column for line in lines for column in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def notes(records: Sequence[Record], names: Sequence[str]) -> str:
    """All notes, as Markdown.

    Args:
        records: results of the anonymizers, lines of ``results.jsonl``.
        names: titles of the anonymizers' columns.

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
    """Notes on the recognisers' thresholds: number of pairs, rates and intervals."""
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
    """Notes on figures that could not be computed, and why; anonymizers with the same reason together."""
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
