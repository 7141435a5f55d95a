"""Compute the figures of an evaluation: every measure over each method's written photographs."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vera import distributed as ranks
from vera.data.people import Person, Selection
from vera.evaluation.judges import Calibration, Judge, Observation
from vera.evaluation.measures.base import Measure, Original, Written
from vera.evaluation.measures.recognition import Detected, Recognised
from vera.evaluation.metrics.appearance import skin_tone
from vera.evaluation.protocol.cache import Records, load_seen, read_written
from vera.evaluation.protocol.items import ORIGINALS, Files, Item, Method, Sources, digest
from vera.faces.alignment import align
from vera.files import PATH_IN_TEXT, plain
from vera.types import Matrix, Pixels, tensor_to_image

Curves = dict[str, Matrix]
"""A recogniser's sorted distances, for histograms and ROC curves."""
UNKNOWN_GROUP = "unknown"
SKIN_TONE = "skin_tone"
"""Group of people that is measured, not asked."""
STATUSES = ("written", "refused", "unusable", "failed")
DIGITS = 6
"""DECISION: results are rounded to so many decimals: the same run gives the same text on machines that differ in the last bits."""


@dataclass(frozen=True)
class AnonymizerResult:
    """Figures and distance curves of one method.

    Attributes:
        record: plain values, one line of ``results.jsonl``.
        curves: distance curves by the recogniser's name.

    """

    record: dict[str, Any]
    curves: dict[str, Curves] = field(default_factory=dict)


class Scorer:
    """Scorer of an evaluation: runs all measures over the photographs of one method.

    Args:
        people: all people of the evaluation.
        items: records of the finished items, from the ledger.
        files: paths of written photographs and observations.
        judges: judges that looked at the photographs.
        calibration: calibration of the judges' recognisers.
        measures: measures of photographs, beside those of detectors and recognisers.
        repeated: ids of the people for whom other seeds were run.
        group_by: name of the people's labels by which figures are split; None: not at all.

    """

    def __init__(
        self,
        people: Sequence[Person],
        items: Records,
        files: Files,
        *,
        judges: Sequence[Judge],
        calibration: Calibration,
        measures: Sequence[Measure],
        repeated: Container[str] = (),
        group_by: str | None = None,
    ) -> None:
        self.people, self.items, self.files = people, items, files
        self.repeated, self.group_by = repeated, group_by
        self.groups = tuple(sorted({group for person in people if (group := self._group(person)) is not None}))
        self.recognised = [Recognised(judge, calibration, dimension=self._dimension(judge), groups=self.groups) for judge in judges]
        detectors = dict.fromkeys(judge.detector.name for judge in judges)
        self.measures: list[Measure] = [*(Detected(name, self.groups) for name in detectors), *self.recognised, *measures]
        self._originals_taken = False

    def judge(self, method: Method) -> AnonymizerResult:
        """Compute all figures of one method, over all processes.

        Raises:
            VeraError: a written file is not what the run wrote.

        """
        asking = self._restart()
        for person in ranks.mine(self.people):
            self._feed(person, method, asking)
        self._originals_taken = True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The ``compute`` method of metric", category=UserWarning)  # counts say what is empty
            figures = {measure.name: measure.result() for measure in self.measures}
        record = {"anonymizer": method.name, **self._counts(method), "measures": figures}
        return AnonymizerResult(rounded(plain(record)), {one.recogniser.name: one.curves() for one in self.recognised})

    def data(self) -> dict[str, Any]:
        """Describe the source photographs: their digest, counts, and detections before anonymization."""
        records = {person.id: self.items[Item(ORIGINALS, person.id)] for person in self.people}
        return {
            "people": len(records),
            "photographs": sum(len(person.photographs) for person in self.people),
            "unusable": sum(record["status"] != "written" for record in records.values()),
            "left_out": self.people.left_out if isinstance(self.people, Selection) else {},
            "digest": data_digest({person: record["digests"] for person, record in records.items()}),
        }

    def faces(self, person: Person, anonymizers: Sequence[str], side: int) -> list[Pixels | None] | None:
        """The face of a person's first photograph and each method's result (None where it wrote none); None without a face.

        Args:
            person: one person of the evaluation.
            anonymizers: names of the methods, in the order of the columns.
            side: side of the faces in pixels.

        """
        item = Item(ORIGINALS, person.id)
        usable = self.items[item]["status"] == "written"
        marks = load_seen(self.files.seen(item))[0].landmarks if usable else np.full((68, 2), np.nan)
        if not np.isfinite(marks).all():
            return None
        row: list[Pixels | None] = [tensor_to_image(align(Sources(person).photographs[0], marks, side).image)]
        for name in anonymizers:
            record = self.items[Item(name, person.id)]
            if record["status"] != "written":
                row.append(None)
                continue
            written = read_written(self.files.image(Item(name, person.id), 1), record["images"][0]["image"])
            row.append(tensor_to_image(align(written, marks, side).image))
        return row

    def _restart(self) -> Sequence[Measure]:
        """Forget the photographs of the last method; returns the measures that the originals have to be given to."""
        if self._originals_taken:
            return [measure for measure in self.measures if not measure.next_method()]
        for measure in self.measures:
            measure.reset()
        return self.measures

    def _feed(self, person: Person, method: Method, asking: Sequence[Measure]) -> None:
        """Give one person's photographs to the measures; the originals only to those that ask for them."""
        originals = self._originals(person)
        for original in originals:
            for measure in asking:
                measure.original(original)
        for written in self._written(person, method, originals):
            for measure in self.measures:
                measure.written(written)

    def _originals(self, person: Person) -> list[Original]:
        item = Item(ORIGINALS, person.id)
        if self.items[item]["status"] != "written":
            return []
        seen, group = load_seen(self.files.seen(item)), self._group(person)
        return [Original(person.id, group, photograph, one) for photograph, one in zip(Sources(person).photographs, seen, strict=True)]

    def _written(self, person: Person, method: Method, originals: Sequence[Original]) -> Iterator[Written]:
        item = Item(method.name, person.id)
        if self.items[item]["status"] != "written":
            return
        seen, again = load_seen(self.files.seen(item)), self._other_seeds(person, method)
        for number, (original, one, files) in enumerate(zip(originals, seen, self.items[item]["images"], strict=True), 1):
            photograph = read_written(self.files.image(item, number), files["image"])
            preserved = read_written(self.files.preserved(item, number), files["preserved"]).pixels[:, :, 0] > 127
            yield Written(original, photograph, preserved, one, tuple(other[number - 1] for other in again), method.seeded)

    def _other_seeds(self, person: Person, method: Method) -> list[list[Observation]]:
        names = [Item(name, person.id) for name, _ in method.runs[1:]] if person.id in self.repeated else []
        return [load_seen(self.files.seen(item)) for item in names if self.items.get(item, {}).get("status") == "written"]

    def _counts(self, method: Method) -> dict[str, Any]:
        """Count people by outcome, reason and duration; nobody is dropped."""
        records = [self.items[Item(method.name, person.id)] for person in self.people]
        shares = zip(records, self.people, strict=True)
        seconds = [record["seconds"] / len(person.photographs) for record, person in shares if record["status"] in ("written", "refused")]
        return {
            "people": {status: sum(record["status"] == status for record in records) for status in STATUSES} | {"all": len(records)},
            "photographs": sum(len(record.get("images", ())) for record in records),
            "why": dict(Counter(self._reasons(records)).most_common()),
            "seconds_a_photograph": {"median": float(np.median(seconds)), "all": float(np.sum(seconds))} if seconds else None,
            "sessions": sorted({record["session"] for record in records}),
        }

    def _reasons(self, records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The reasons of people for whom nothing was written, without the names of their photographs."""
        for record, person in zip(records, self.people, strict=True):
            if record["status"] != "written":
                yield kind(record, [file.path.stem for file in person.photographs])

    def _group(self, person: Person) -> str | None:
        return person.groups.get(self.group_by, UNKNOWN_GROUP) if self.group_by else None

    def _dimension(self, judge: Judge) -> int:
        """Length of a recogniser's embeddings, the same in every process."""
        for person in self.people:
            item = Item(ORIGINALS, person.id)
            for one in load_seen(self.files.seen(item)) if self.items[item]["status"] == "written" else ():
                if one.usable:
                    return len(one.embeddings[judge.recogniser.name])
        return 1  # nobody has a face here


def with_skin_tone(people: Sequence[Person], items: Records, files: Files) -> Sequence[Person]:
    """The people with the group ``skin_tone``, by the typology angle of the skin in their first photograph; none where no face is seen.

    Args:
        people: people of an evaluation whose originals the judges have looked at.
        items: records of the run's items.
        files: paths of the run's files.

    Raises:
        VeraError: a photograph or its observations can't be read.

    """
    labelled = []
    for person in people:
        item = Item(ORIGINALS, person.id)
        marks = load_seen(files.seen(item))[0].landmarks if items[item]["status"] == "written" else np.full((68, 2), np.nan)
        tone = skin_tone(person.photographs[0].read().pixels, marks) if np.isfinite(marks).all() else None
        labelled.append(replace(person, groups={**person.groups, SKIN_TONE: tone}) if tone else person)
    return Selection(labelled, people.left_out) if isinstance(people, Selection) else labelled


def data_digest(photographs: Mapping[str, Sequence[str]]) -> str:
    """Digest over all people's photographs, from their own digests."""
    return digest(photographs)


def rounded(value: Any) -> Any:
    """Plain values with :data:`DIGITS` decimals."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def kind(record: Mapping[str, Any], names: Sequence[str] = ()) -> str:
    """Reduce the reason of a failure to a text without names, paths and numbers, which can be counted and published.

    Of a fault only its type is left: its message may hold anything. The whole reason stays in the ledger.

    Args:
        record: the record of an item that was not written.
        names: names of the person's photographs, with which a reason may begin.

    """
    reason = str(record["reason"])
    for name in names:
        reason = reason.removeprefix(f"{name}: ")
    if record["status"] == "failed":
        return reason.split(":")[0]
    _, refused, last = reason.rpartition("last reason: ")
    text = re.sub(r"^[^:]*: ", "", last) if refused else last  # the verification names the photograph first
    return re.sub(rf"\s*\(.*?\)|\s*(?<!\w)'.*?'(?!\w)|{PATH_IN_TEXT}|\s*(?<![\w-])\d[\d.]*", "", text).strip()
