"""The report's table (one line a figure, one column an anonymizer) and the notes under it: what figures rest on and who is missing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

ORIGINALS = "originals"
"""Title of the column of the untreated photographs."""
Record = Mapping[str, Any]
"""One line of ``results.jsonl``."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        title: title with an arrow where it is clear which way is better.
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
        rates = dict.fromkeys(rate for r in records for rate in _path(r, key, "pairs", "anonymized", "over_people", "tar") or ())
        found += [
            at(f"people in the gallery of these ranks, {name}", key, "nearest", "people_in_gallery"),
            at(f"rank 1 by another photograph, {name} ↓", key, "others", "rank_1"),
            at(f"median distance to the own person, {name} ↑", key, "nearest", "median_distance"),
            *_separated(f"to the originals, {name}", key, "nearest", rates, better="less"),
            *_separated(f"to other originals of the person, {name}", key, "others", rates, better="less"),
            *_separated(f"pairs of outputs, {name}", key, "pairs", rates, better="more"),
            at(f"distance between seeds, {name} ↑", key, "diversity", "mean_distance"),
            Figure(f"{name} took part in the search", partial(_searched, recogniser=name)),
        ]
    found += [figure for attack in named(records, "attack/") for figure in _attacked(attack)]
    found += [
        at("share of the face that is changed ↑", "replacement", "mean_share"),
        at("preserved region identical ↑", "preservation", "identical"),
        at("preserved region: PSNR where it is not, dB ↑", "preservation", "psnr"),
        at("preserved region: LPIPS ↓", "preservation", "lpips"),
        at("preserved region: colour difference, ΔE00 ↓", "appearance", "region_delta_e"),
        at("seam gradient ratio (1 = as before)", "preservation", "seam_ratio"),
        at("seam colour step, ΔE00 ↓", "appearance", "seam_delta_e"),
        at("seam colour step in the original, ΔE00", "appearance", "seam_delta_e_before"),
        at("skin colour change, ΔE00 ↓", "appearance", "skin_delta_e"),
        at("sharpness of the face (1 = as before)", "appearance", "sharpness"),
        at("landmark error (NME), eye distances ↓", "appearance", "landmark_error"),
        at("pose change, degrees ↓", "attributes", "pose_degrees"),
        *(
            at(f"{spelled(name)} change, eye distances ↓", "attributes", "expression", name, "mean_difference")
            for name in dict.fromkeys(n for r in records for n in _path(r, "attributes", "expression") or ())
        ),
        *(at(f"iris position {way} the eye, eye widths ↓", "attributes", "gaze", way, "mean_difference") for way in ("along", "across")),
        at("age change, years ↓", "attributes", "age_years"),
        at("landmark error learnt from these faces, eye distances ↓", "utility", "learnt_from_anonymized"),
        at("learnt from the originals", "utility", "learnt_from_real"),
        at("of a mean face", "utility", "mean_face"),
        *(at(f"{spelled(name)}{_arrow(records, name)}", name, "value") for name in of_sets(records)),
        Figure("seconds a photograph (median) ↓", lambda r: (r["seconds_a_photograph"] or {}).get("median")),
        Figure("made on", _machine),
    ]
    titles = [one.title for one in found]
    assert len(set(titles)) == len(titles), "two figures of one title: one would be lost in the CSV"
    return [one for one in found if any(one.read(record) is not None for record in records)]


def at(title: str, measure: str, *path: str) -> Figure:
    """Look up a figure in nested measures by its keys."""
    return Figure(title, lambda record: _path(record, measure, *path))


def _path(record: Record, measure: str, *path: str) -> Any:
    """A value in nested measures; None where a step is missing, or a share is of nothing."""
    value: Any = record["measures"].get(measure)
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return None if isinstance(value, Mapping) and value.get("share", 0) is None else value


def _separated(title: str, measure: str, part: str, rates: Iterable[str], *, better: str) -> Iterator[Figure]:
    """Verification figures of a part of a recogniser's record, with their intervals over people."""
    sides = ("anonymized",) if part == "pairs" else ()
    more, less = ("↑", "↓") if better == "more" else ("↓", "↑")

    def read(name: str) -> Callable[[Record], Any]:
        def value(record: Record) -> Any:
            found = _path(record, measure, part, *sides, "over_people", name)
            return found if found is not None else _path(record, measure, part, *sides, name)  # earlier versions had no interval

        return value

    yield Figure(f"{title}: equal error rate {less}", read("eer"))
    yield Figure(f"{title}: AUC {more}", read("auc"))
    for rate in rates:
        yield at(f"{title}: TAR at FAR {rate} {more}", measure, part, *sides, "over_people", "tar", rate)


def _attacked(attack: str) -> Iterator[Figure]:
    """Lines of one attack by one recogniser."""
    kind, _, name = attack.partition("/")
    key, title = f"attack/{attack}", f"attack {kind}, {name}"
    yield at(f"{title}: rank 1 ↓", key, "rank_1")
    yield at(f"{title}: rank 1 by chance", key, "rank_1_by_chance")
    yield at(f"{title}: bits of rank ↓", key, "bits")
    yield at(f"{title}: bits by chance", key, "bits_by_chance")
    for length in ("10", "100", "1000"):
        yield at(f"{title}: rank 1 of {length} ↓", key, "lists", length, "rank_1")
    yield at(f"{title}: people taken for another ↓", key, "collisions")
    yield Figure(f"{title}: better than chance", lambda r: {True: "yes", False: "no"}.get(_path(r, key, "wins")))


def _searched(record: Record, recogniser: str) -> str | None:
    if f"recognition/{recogniser}" not in record["measures"] or "recognisers_of_the_search" not in record:
        return None
    return "yes" if recogniser in record["recognisers_of_the_search"] else "no (unseen)"


def _machine(record: Record) -> str | None:
    """Processor or device, and threads, of the sessions that made the photographs."""
    found = [one for one in record["provenance"] if "machine" in one]
    spelled_out = [f"{one['machine']['device']}, {one['machine']['processor']}, {one['threads']} threads" for one in found]
    return "; ".join(dict.fromkeys(spelled_out)) or None


def with_originals(records: Sequence[Record], names: Sequence[str]) -> tuple[list[Record], list[str]]:
    """The records with a first one of the originals, as far as they were measured: detection, pairs and what is learnt from them.

    Of pairs, those of the method with the fewest refusals are taken. Nothing is added where the runs have different photographs.

    Args:
        records: results of the anonymizers, lines of ``results.jsonl``.
        names: titles of the anonymizers' columns.

    """
    if len({record["data"]["digest"] for record in records}) != 1:
        return list(records), list(names)
    measures: dict[str, Any] = {}
    for record in sorted(records, key=lambda one: -one["people"]["written"]):
        for name, found in record["measures"].items():
            if name.startswith("detection/") and "originals" in found:
                measures.setdefault(name, {"anonymized": found["originals"]})
            elif name.startswith("recognition/") and "originals" in found.get("pairs", {}):
                measures.setdefault(name, {"pairs": {"anonymized": found["pairs"]["originals"]}})
            elif name == "utility" and "learnt_from_real" in found:
                measures.setdefault(name, {"learnt_from_anonymized": found["learnt_from_real"]})
    if not measures:
        return list(records), list(names)
    data = records[0]["data"]
    people = {"all": data["people"], "unusable": data["unusable"], "written": None, "refused": None, "failed": None}
    empty: dict[str, Any] = {"why": {}, "seconds_a_photograph": None, "provenance": []}
    added = {"anonymizer": ORIGINALS, "people": people, "measures": measures, **empty}
    return [added, *records], [ORIGINALS, *names]


def named(records: Iterable[Record], prefix: str) -> list[str]:
    """Select the measures whose names have a prefix, and strip it."""
    return list(dict.fromkeys(name.removeprefix(prefix) for r in records for name in r["measures"] if name.startswith(prefix)))


def of_sets(records: Iterable[Record]) -> list[str]:
    """Measures with one ``value``: distances of sets of images, LPIPS, and any metric that gives a single number or a ``mean``."""
    return list(dict.fromkeys(name for r in records for name, found in r["measures"].items() if "value" in found))


def _arrow(records: Iterable[Record], name: str) -> str:
    """The arrow after a measure's title: the direction that its metric states; empty where none does, as in earlier versions."""
    stated = {record["measures"].get(name, {}).get("better") for record in records} - {None}
    return {"more": " ↑", "less": " ↓"}[stated.pop()] if len(stated) == 1 else ""


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
    header, *rows = cells(records, names)
    return markdown_table([header, ["---", *["---:"] * (len(header) - 1)], *rows])


def cells(records: Sequence[Record], names: Sequence[str]) -> list[list[str]]:
    """The table's cells as texts: a header, then a row for each figure.

    Args:
        records: results of the anonymizers, lines of ``results.jsonl``.
        names: titles of the anonymizers' columns.

    """
    columns, titles = with_originals(records, names)
    return [["", *titles], *([one.title, *(cell(one.read(record)) for record in columns)] for one in figures(records))]


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
    if isinstance(value, Mapping) and "share" in value:
        return f"{value['share']:.1%} [{value['low']:.0%}, {value['high']:.0%}]"
    if isinstance(value, Mapping):
        interval = "" if value["low"] is None else f" [{value['low']:.3g}, {value['high']:.3g}]"
        return f"{value['value']:.3g}{interval}"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def comma_separated(records: Sequence[Record], names: Sequence[str]) -> str:
    """The same as CSV: one line an anonymizer, plain numbers, a share's interval in columns of its own."""
    lines: list[dict[str, Any]] = []
    for name, record in zip(*reversed(with_originals(records, names)), strict=True):
        line: dict[str, Any] = {"anonymizer": name}
        for one in figures(records):
            value, title = one.read(record), one.title.rstrip(" ↑↓")
            if isinstance(value, Mapping):
                line |= {title: value.get("share", value.get("value")), f"{title}: low": value["low"], f"{title}: high": value["high"]}
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
    parts = ["Intervals are 95 %, over people where photographs of one person are counted. ↑: more is better, ↓: less is better."]
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
            for attribute in found.get("absent", ()):
                why.setdefault(f"{measure}: no {attribute}, no network for it was given", []).append(name)
    yield from (f"{reason} ({', '.join(without)})" for reason, without in why.items())


def _doubts(records: Sequence[Record]) -> Iterator[str]:
    sessions = [session for record in records for session in (*record["provenance"], record.get("measured_by")) if session]
    if any("measured_by" not in record for record in records):
        yield "an earlier version measured some columns, which did not record by which code: measure again"
    several = [record for record in records if record["data"]["photographs"] > record["data"]["people"]]
    keys = [f"recognition/{name}" for name in named(several, "recognition/")]
    if any("over_people" not in (_path(record, key, "nearest") or {}) for record in several for key in keys):
        yield "intervals take photographs for independent cases; those of one person (before, after) are not: the intervals are too narrow"
    for name in of_sets(records):
        few = [one for r in records if (one := r["measures"].get(name, {})).get("images", 0) <= one.get("dimensions", -1)]
        if few:
            counts = f"{min(one['images'] for one in few)} images in {few[0]['dimensions']} dimensions"
            yield f"{spelled(name)} rests on {counts}: its covariance is singular, so compare only columns of equally many images"
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
