"""The fairness table: errors of each anonymizer by group of people, with intervals, and how far groups are apart."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vera.data.people import Person
from vera.evaluation.judges import Judge
from vera.evaluation.report.groups import EVERYBODY, LEAST, OTHERS, TITLES, UNKNOWN, Judged, by_group, markdown
from vera.files import write_into_run
from vera.types import VeraError

COMPARED = ("found", "recognised", "rank_1", "pairs_match")
"""Figures of :data:`vera.evaluation.report.groups.TITLES` that are shares and are compared between groups."""
PAGE, SHEET = "fairness.md", "fairness.csv"
ABOUT = f"""# By group

Groups come from the table of people; `skin_tone` is measured in each person's first photograph (individual typology angle, which includes
the picture's light). Intervals are 95 %, over people. Groups of fewer than {LEAST} people are put together as "{OTHERS}". A gap is between
the two groups that are farthest apart, chosen after looking: of several groups one gap is expected to be large by chance.
"""


@dataclass(frozen=True)
class FairnessTable:
    """Outcomes of one anonymizer by group, judged by one recogniser.

    Attributes:
        title: names of the anonymizer and the recogniser.
        rows: what :func:`vera.evaluation.report.groups.by_group` returned.
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


def write_fairness(run: Path, people: Sequence[Person], anonymizers: Sequence[str], judges: Sequence[Judge]) -> list[Path]:
    """Write the fairness tables of a finished run; nothing where no two groups have enough people.

    Args:
        run: folder of the finished run, which gets ``fairness.md`` and ``fairness.csv``.
        people: everybody in the run, with their groups.
        anonymizers: names of the anonymizers in the run.
        judges: detectors and recognisers of the run.

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
        for judge in judges:
            judged = Judged(judge.detector.name, judge.recogniser.name, judge.measure)
            title = f"{anonymizer}, {judged.recogniser}"
            try:
                tables.append(FairnessTable(title, by_group(run, labels, anonymizer=anonymizer, judged=judged)))
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
