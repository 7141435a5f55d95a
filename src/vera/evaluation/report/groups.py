"""The outcome of an evaluation by group: who is refused, found and recognised, for example among women and men.

It is read from a finished run's folder; nothing is anonymized or measured again.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from vera.data.people import Person
from vera.evaluation.metrics.base import distances, share, share_of_people
from vera.evaluation.metrics.recognition import ReIdentification
from vera.evaluation.protocol.cache import read_observed
from vera.evaluation.report.results import read
from vera.evaluation.report.table import cell, markdown_table
from vera.faces.recognition import Distance
from vera.files import write_into_run
from vera.types import Matrix, VeraError

LEAST = 5
"""DECISION: groups of fewer people are put together: figures of one or two people say little about a group, and much about them."""
EVERYBODY, OTHERS, UNKNOWN = "everybody", "others", "not stated"
TITLES = {
    "people": "people",
    "written": "written",
    "refused": "refused",
    "found": "face found ↑",
    "recognised": "recognised ↓",
    "rank_1": "rank 1 ↓",
    "median_distance": "median distance to the own person ↑",
    "pairs_match": "outputs match each other ↑",
}
COMPARED = ("found", "recognised", "rank_1", "pairs_match")
"""Figures of :data:`TITLES` that are shares and are compared between groups."""
PAGE, SHEET = "fairness.md", "fairness.csv"
ABOUT = f"""# By group

Groups come from the table of people; `skin_tone` is measured in each person's first photograph (individual typology angle, which includes
the picture's light). Intervals are 95 %, over people. Groups of fewer than {LEAST} people are put together as "{OTHERS}". A gap is between
the two groups that are farthest apart, chosen after looking: of several groups one gap is expected to be large by chance.
"""


@dataclass(frozen=True)
class Judged:
    """Detector and recogniser whose findings a table by group counts.

    Attributes:
        detector: name of the detector by which faces are found.
        recogniser: name of the recogniser by which people are recognised, at its own threshold.
        distance: the recogniser's distance.

    """

    detector: str
    recogniser: str
    distance: Distance


@dataclass(frozen=True)
class Outcome:
    """Outcome of one person: status, embeddings and detections before and after.

    Attributes:
        person: id of the person.
        status: status of the anonymizer's item.
        digests: digests of the photographs.
        before: ``(N, D)`` embeddings of the photographs; NaN where there is none.
        after: embeddings of the written outputs, ``(N, D)``; no rows if nothing was written.
        found: whether the face was found, for each of these.

    """

    person: str
    status: str
    digests: Sequence[str]
    before: Matrix
    after: Matrix
    found: Sequence[bool]


def by_group(run: Path, labels: Mapping[str, Mapping[str, str]], *, anonymizer: str, judged: Judged) -> list[dict[str, Any]]:
    """Compute the outcome for everybody and for each group; every person of the run is in the gallery.

    Args:
        run: folder of a finished evaluation.
        labels: groups of each person, by id and column: ``{"001": {"sex": "female", "age": "under 25"}}``.
        anonymizer: name of the anonymizer whose outcome is counted.
        judged: detector and recogniser of the run whose findings are counted.

    Returns:
        Rows with ``column``, ``group``, and the figures of :data:`TITLES`; shares with their intervals.

    Raises:
        VeraError: no such anonymizer, detector or recogniser in the run, or nobody of the run has a label.

    """
    record = next((record for record, _ in read(run) if record["anonymizer"] == anonymizer), None)
    measured = record["measures"] if record else {}
    if f"recognition/{judged.recogniser}" not in measured or f"detection/{judged.detector}" not in measured:
        raise VeraError(f"'{run}' has no results of '{anonymizer}' by {judged.detector} and {judged.recogniser}: name what it measured")
    threshold = float(measured[f"recognition/{judged.recogniser}"]["thresholds"]["own"])
    outcomes = read_outcomes(run, anonymizer, judged)
    if not {one.person for one in outcomes} & set(labels):
        raise VeraError(f"no label is of a person of '{run}': name people as the run does, as '{outcomes[0].person}'")
    rows = _rows(outcomes, EVERYBODY, [EVERYBODY] * len(outcomes), judged.distance, threshold)
    for column in dict.fromkeys(column for own in labels.values() for column in own):
        own = [labels.get(one.person, {}).get(column, UNKNOWN) for one in outcomes]
        rows += _rows(outcomes, column, gathered(own), judged.distance, threshold)
    return rows


def gathered(labels: Sequence[str]) -> list[str]:
    """The labels, with :data:`OTHERS` in place of those of fewer than :data:`LEAST` people."""
    counts = Counter(labels)
    return [label if counts[label] >= LEAST else OTHERS for label in labels]


def read_outcomes(run: Path, anonymizer: str, judged: Judged) -> list[Outcome]:
    """Outcomes of all people whose photographs could be read.

    Raises:
        VeraError: no photograph could be read, or no face was found.

    """
    observed, name = read_observed(run, anonymizer), judged.recogniser
    known = [one.embeddings[name] for person in observed for one in person.before if name in one.embeddings]
    if not known:
        raise VeraError(f"no face was found in any photograph of '{run}': there is nothing to compare")
    blank = np.full(len(known[0]), np.nan)
    return [
        Outcome(
            person=person.person,
            status=person.status,
            digests=person.digests,
            before=np.array([one.embeddings.get(name, blank) for one in person.before], dtype=np.float64).reshape(-1, len(blank)),
            after=np.array([one.embeddings.get(name, blank) for one in person.after], dtype=np.float64).reshape(-1, len(blank)),
            found=[one.found[judged.detector] for one in person.after],
        )
        for person in observed
    ]


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    named = [row["group"] if row["column"] == EVERYBODY else f"{row['column']}: {row['group']}" for row in rows]
    lines = [["", *TITLES.values()], ["---", *["---:"] * len(TITLES)]]
    lines += [[name, *(cell(row[figure]) for figure in TITLES)] for name, row in zip(named, rows, strict=True)]
    return markdown_table(lines)


def _rows(outcomes: Sequence[Outcome], column: str, groups: Sequence[str], distance: Distance, threshold: float) -> list[dict[str, Any]]:
    names = sorted(set(groups), key=lambda name: (name in (OTHERS, UNKNOWN), name))
    # One process writes the tables, of everybody, and the others do not take part: nothing is joined.
    search = ReIdentification(distance, thresholds={"own": threshold}, groups=names, ranks=(1,), sync_on_compute=False)
    for one, group in zip(outcomes, groups, strict=True):
        search.add_gallery(one.before, [one.person] * len(one.before), one.digests)
        if len(one.after):
            search.update(one.after, [one.person] * len(one.after), one.digests, [group] * len(one.after))
    recognised = search.compute()["groups"]
    rows = []
    for name in names:
        own = [one for one, group in zip(outcomes, groups, strict=True) if group == name]
        pairs = [_match(one.after, distance, threshold) for one in own if len(one.after) > 1]
        found = [(seen, number) for number, one in enumerate(own) for seen in one.found]
        near = recognised.get(name, {})
        row: dict[str, Any] = {"column": column, "group": name, "people": len(own)}
        row |= {status: sum(one.status == status for one in own) for status in ("written", "refused")}
        row |= {"found": share_of_people(*zip(*found, strict=True)) if found else None, "recognised": near.get("recognised", {}).get("own")}
        row |= {"rank_1": near.get("rank_1"), "median_distance": near.get("median_distance")}
        rows.append(row | {"pairs_match": share(pairs) if pairs else None})
    return rows


def _match(vectors: Matrix, distance: Distance, threshold: float) -> bool:
    """Whether all of one person's outputs are taken for one person."""
    table = distances(vectors, vectors, distance)
    return all(bool(table[a, b] < threshold) for a, b in combinations(range(len(table)), 2))


@dataclass(frozen=True)
class FairnessTable:
    """Outcomes of one anonymizer by group, judged by one recogniser.

    Attributes:
        title: names of the anonymizer and the recogniser.
        rows: rows that :func:`by_group` returned.
        why: reason why there are no rows.

    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    why: str = ""

    def gaps(self) -> list[dict[str, Any]]:
        """The groups with the largest and the smallest share, by column and figure: their ``difference`` and its interval."""
        found = []
        for column in dict.fromkeys(row["column"] for row in self.rows if row["column"] != EVERYBODY):
            named = [row for row in self.rows if row["column"] == column and row["group"] not in (OTHERS, UNKNOWN)]
            for figure in COMPARED:
                shares = [(row["group"], row[figure]) for row in named if row[figure] and row[figure]["share"] is not None]
                if len(shares) < 2:
                    continue
                (most, high), (least, low) = (pick(shares, key=lambda one: one[1]["share"]) for pick in (max, min))
                found.append({"column": column, "figure": figure, "most": most, "least": least, **difference(high, low)})
        return found

    def markdown(self) -> str:
        """The table, and under it the gaps."""
        if not self.rows:
            return f"## {self.title}\n\nNot measured: {self.why}\n"
        lines = [f"- {self._spelled(gap)}" for gap in self.gaps()]
        return f"## {self.title}\n\n{markdown(self.rows)}" + ("\nGaps:\n\n" + "\n".join(lines) + "\n" if lines else "")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Plain values for a CSV file: a share's ends in columns of their own."""
        for row in self.rows:
            line: dict[str, Any] = {"judged": self.title}
            for name, value in row.items():
                ends = {f"{name}_{end}": value[end] for end in ("low", "high")} if isinstance(value, Mapping) else {}
                line |= {name: value["share"] if isinstance(value, Mapping) else value, **ends}
            yield line

    def _spelled(self, gap: Mapping[str, Any]) -> str:
        title, points = TITLES[gap["figure"]].rstrip(" ↑↓"), 100 * np.array([gap[key] for key in ("difference", "low", "high")])
        if not points[0]:
            return f"{title} by {gap['column']}: none"
        clear = "" if points[1] > 0 else ", which may be chance"
        return (
            f"{title} by {gap['column']}: {points[0]:.1f} points [{points[1]:.1f}, {points[2]:.1f}] "
            f"between {gap['most']} and {gap['least']}{clear}"
        )


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, float]:
    """Difference of two independent shares with its 95 % interval from theirs (Newcombe, 1998, method 10).

    Args:
        first: a share with its interval, as of :func:`vera.evaluation.metrics.base.share`.
        second: the share that is subtracted.

    """
    (a, low_a, high_a), (b, low_b, high_b) = ([float(one[key] or 0.0) for key in ("share", "low", "high")] for one in (first, second))
    low, high = np.hypot(a - low_a, high_b - b), np.hypot(high_a - a, b - low_b)
    return {"difference": a - b, "low": float(a - b - low), "high": float(a - b + high)}


def write_fairness(run: Path, people: Sequence[Person], anonymizers: Sequence[str], judged: Sequence[Judged]) -> list[Path]:
    """Write the fairness tables of a finished run; nothing where no two groups have enough people.

    Args:
        run: folder of the finished run, which gets ``fairness.md`` and ``fairness.csv``.
        people: everybody in the run, with their groups.
        anonymizers: names of the anonymizers in the run.
        judged: detectors and recognisers of the run whose findings are counted.

    """
    labels = {person.id: dict(person.groups) for person in people if person.groups}
    counts = Counter((column, label) for own in labels.values() for column, label in own.items())
    columns = [column for (column, _), count in counts.items() if count >= LEAST]
    told = {column for column in columns if columns.count(column) > 1}
    labels = {person: {column: label for column, label in own.items() if column in told} for person, own in labels.items()}
    if not told:
        return []
    tables = []
    for anonymizer in anonymizers:
        for one in judged:
            title = f"{anonymizer}, {one.recogniser}"
            try:
                tables.append(FairnessTable(title, by_group(run, labels, anonymizer=anonymizer, judged=one)))
            except VeraError as error:  # no face in any photograph: the other figures stand
                tables.append(FairnessTable(title, [], str(error)))
    lines = [line for table in tables for line in table.lines()]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(column for line in lines for column in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_into_run(run / PAGE, "\n".join([ABOUT, *(table.markdown() for table in tables)]).encode())
    write_into_run(run / SHEET, text.getvalue().encode())
    return [run / PAGE, run / SHEET]
