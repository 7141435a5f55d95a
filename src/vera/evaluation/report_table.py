"""Which figures a table shows, and how: one line a figure, one column an anonymizer."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """A figure by its way through the measures."""

    def read(record: Record) -> Any:
        value: Any = record["measures"].get(measure)
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return None if isinstance(value, Mapping) and value.get("share", 0) is None else value

    return Figure(title, read)


def named(records: Iterable[Record], prefix: str) -> list[str]:
    """What follows a prefix in the measures' names."""
    return list(dict.fromkeys(name.removeprefix(prefix) for r in records for name in r["measures"] if name.startswith(prefix)))


def of_sets(records: Iterable[Record]) -> list[str]:
    """Measures with one value: distances of sets of images, LPIPS."""
    return list(dict.fromkeys(name for r in records for name, found in r["measures"].items() if "value" in found))


def spelled(name: str) -> str:
    """A name for readers."""
    known = {"own": "its own threshold", "fid": "FID", "kid": "KID"}
    return known.get(name) or (f"a false-accept rate of {name[4:]}" if name.startswith("far_") else name.replace("_", " "))


def markdown(records: Sequence[Record], names: Sequence[str]) -> str:
    """The table; shares with their 95 % intervals.

    Args:
        records: of the anonymizers.
        names: their columns' titles.

    """
    rows = [["", *names], ["---", *["---:"] * len(names)]]
    rows += [[one.title, *(cell(one.read(record)) for record in records)] for one in figures(records)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


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
