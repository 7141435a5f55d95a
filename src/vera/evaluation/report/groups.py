"""The outcome of an evaluation by group: who is refused, found and recognised, among women and men, the young and the older.

It is read from a finished run's folder; nothing is anonymized or looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from vera.evaluation.judges import Observation
from vera.evaluation.metrics.base import distances, share
from vera.evaluation.metrics.recognition import ReIdentification
from vera.evaluation.protocol.cache import load_seen
from vera.evaluation.protocol.items import ORIGINALS, Files, Item, Ledger
from vera.evaluation.report.results import read
from vera.evaluation.report.table import cell, markdown_table
from vera.faces.recognition import Distance
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


@dataclass(frozen=True)
class Judged:
    """Detector and recogniser whose findings a table by group counts.

    Attributes:
        detector: name of the detector by which faces are found.
        recogniser: name of the recogniser by which people are recognised, at its own threshold.
        distance: the recogniser's.

    """

    detector: str
    recogniser: str
    distance: Distance


@dataclass(frozen=True)
class Outcome:
    """Outcome of one person: status, embeddings and detections before and after.

    Attributes:
        person: id.
        status: of the anonymizer's item.
        digests: of the photographs.
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
    """Everybody whose photographs could be read.

    Raises:
        VeraError: nobody was, or nobody's face was found.

    """
    with Ledger(run) as ledger:
        items = ledger.items()
    files, looked = Files(run), list[tuple[Item, list[Observation], list[Observation]]]()
    for item in items:
        result = items.get(Item(anonymizer, item.person))
        if item.method == ORIGINALS and items[item]["status"] == "written" and result is not None:
            after = load_seen(files.seen(Item(anonymizer, item.person))) if result["status"] == "written" else []
            looked.append((item, load_seen(files.seen(item)), after))
    name = judged.recogniser
    known = [one.embeddings[name] for _, before, _ in looked for one in before if name in one.embeddings]
    if not known:
        raise VeraError(f"no face was found in any photograph of '{run}': there is nothing to compare")
    blank = np.full(len(known[0]), np.nan)

    def vectors(seen: Sequence[Observation]) -> Matrix:
        return np.array([one.embeddings.get(name, blank) for one in seen], dtype=np.float64).reshape(len(seen), len(blank))

    return [
        Outcome(
            person=item.person,
            status=str(items[Item(anonymizer, item.person)]["status"]),
            digests=items[item]["digests"],
            before=vectors(before),
            after=vectors(after),
            found=[one.found[judged.detector] for one in after],
        )
        for item, before, after in looked
    ]


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    named = [row["group"] if row["column"] == EVERYBODY else f"{row['column']}: {row['group']}" for row in rows]
    lines = [["", *TITLES.values()], ["---", *["---:"] * len(TITLES)]]
    lines += [[name, *(cell(row[figure]) for figure in TITLES)] for name, row in zip(named, rows, strict=True)]
    return markdown_table(lines)


def _rows(outcomes: Sequence[Outcome], column: str, groups: Sequence[str], distance: Distance, threshold: float) -> list[dict[str, Any]]:
    names = sorted(set(groups), key=lambda name: (name in (OTHERS, UNKNOWN), name))
    search = ReIdentification(distance, thresholds={"own": threshold}, groups=names, ranks=(1,))
    for one, group in zip(outcomes, groups, strict=True):
        search.add_gallery(one.before, [one.person] * len(one.before), one.digests)
        if len(one.after):
            search.update(one.after, [one.person] * len(one.after), one.digests, [group] * len(one.after))
    recognised = search.compute()["groups"]
    rows = []
    for name in names:
        own = [one for one, group in zip(outcomes, groups, strict=True) if group == name]
        pairs = [_match(one.after, distance, threshold) for one in own if len(one.after) > 1]
        found = [seen for one in own for seen in one.found]
        near = recognised.get(name, {})
        row: dict[str, Any] = {"column": column, "group": name, "people": len(own)}
        row |= {status: sum(one.status == status for one in own) for status in ("written", "refused")}
        row |= {"found": share(found) if found else None, "recognised": near.get("recognised", {}).get("own")}
        row |= {"rank_1": near.get("rank_1"), "median_distance": near.get("median_distance")}
        rows.append(row | {"pairs_match": share(pairs) if pairs else None})
    return rows


def _match(vectors: Matrix, distance: Distance, threshold: float) -> bool:
    """Whether all of one person's outputs are taken for one person."""
    table = distances(vectors, vectors, distance)
    return all(bool(table[a, b] < threshold) for a, b in combinations(range(len(table)), 2))
