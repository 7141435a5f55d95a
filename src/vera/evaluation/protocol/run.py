"""The evaluation protocol: run every method on every person, write and record each item, so that a killed run can resume.

People are the outer loop: a run that is stopped early has complete comparisons for the people it came to. The thresholds of the
recognisers are calibrated in the same way, on pairs of photographs of one person and of two.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vera import distributed as ranks
from vera.data.people import Person, PhotographFile
from vera.data.verification_pairs import Pair
from vera.evaluation.judges import Calibration, Judge, Observation, Observer
from vera.evaluation.metrics.verification import VerificationCalibration
from vera.evaluation.protocol.cache import ObservationCache, Records
from vera.evaluation.protocol.items import CALIBRATION, Files, Item, Ledger, Method, Sources, described, key, make
from vera.files import plain, printable
from vera.types import Anonymizer, Progress, VeraError


class Protocol:
    """Run several anonymization methods over people, resumable at every item.

    Args:
        folder: the run's; what was finished there is not done again.
        people: people whose photographs are anonymized.
        methods: anonymization methods of different names.
        observer: detectors and recognisers that look at originals and outputs.
        repeated: number of people (the first ones) for whom the methods' other seeds are run as well; 0 for none.
        session: provenance of this run's figures (:func:`vera.provenance.provenance`).
        shard: ``(number, count)``: this process makes only its share of the items; None: all, or what ``torch.distributed`` deals it.

    Raises:
        VeraError: nobody to anonymize, or two of one name; an anonymizer that takes no masks, for people with masks.

    """

    def __init__(
        self,
        folder: Path,
        people: Sequence[Person],
        methods: Sequence[Method],
        observer: Observer,
        *,
        repeated: int = 0,
        session: Mapping[str, Any] | None = None,
        shard: tuple[int, int] | None = None,
    ) -> None:
        check(people, methods)
        self.people, self.methods = list(people), list(methods)
        self.repeated = {person.id for person in self.people[:repeated]}
        self.share = ranks.mine(self.people) if shard is None else self.people[shard[0] :: shard[1]]
        self.files, self.ledger = Files(folder), Ledger(folder, ranks.rank() if shard is None else shard[0])
        self.cache = ObservationCache(self.files, self.ledger, observer, session or {})

    def run(self, tell: Progress | None = None) -> dict[Item, dict[str, Any]]:
        """Do what is not done yet, each process for its share of the people; then all wait for each other.

        Args:
            tell: told of every item.

        Returns:
            The record of every item, whichever process or earlier session did it.

        Raises:
            VeraError: see :func:`vera.evaluation.protocol.items.make`.

        """
        done = self.ledger.items()
        for number, person in enumerate(self.share):
            sources = Sources(person)
            seen = self.cache.originals(sources, done)
            for one in self.methods:
                for name, anonymizer in one.runs if person.id in self.repeated else one.runs[:1]:
                    if tell:
                        tell(f"{person.id}: {name}", number, len(self.share))
                    self._item(Item(name, person.id), one, anonymizer, sources, seen or (), done)
        ranks.wait()
        return self.ledger.items()

    def _item(self, item: Item, one: Method, anonymizer: Anonymizer, sources: Sources, seen: Sequence[Observation], done: Records) -> None:
        wanted = key(plain({"settings": one.settings} | described(anonymizer)), sources)
        record = dict(done.get(item, {}))
        if not self._is_made(item, record, wanted):
            record = {"key": wanted} | make(item, anonymizer, sources, self.files)
            if record["status"] != "written":
                self.cache.record(item, record)
        if not self.cache.has_seen(item, record):
            self.cache.written(item, record, seen)

    def _is_made(self, item: Item, record: Mapping[str, Any], wanted: str) -> bool:
        """Whether an item is complete: made with these settings, without a fault, and its images exist."""
        if not record or record["key"] != wanted or record["status"] == "failed":
            return False
        numbers = range(1, len(record.get("images", ())) + 1)
        return all(self.files.image(item, n).is_file() and self.files.preserved(item, n).is_file() for n in numbers)


def check(people: Sequence[Person], methods: Sequence[Method]) -> None:
    """Raise a VeraError if there is nobody to anonymize, two of one name, or an anonymizer without masks for people with masks."""
    if not people or not methods:
        raise VeraError(f"{len(people)} people and {len(methods)} anonymizers: an evaluation needs at least one of each")
    for what, names in (("people", [person.id for person in people]), ("anonymizers", [one.name for one in methods])):
        twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
        if twice:
            raise VeraError(f"two {what} are called '{twice[0]}' (small and capital letters count alike): rename one")
    if any(file.mask for person in people for file in person.photographs):
        for one in methods:
            if "masks" not in inspect.signature(one.anonymizer).parameters:
                raise VeraError(f"'{one.name}' takes no masks, but people have some: leave it out, or the masks")


@dataclass(frozen=True)
class CalibrationPairs:
    """Pairs of photographs on which thresholds are calibrated.

    Attributes:
        pairs: pairs of one person and of two (:func:`vera.data.verification_pairs.read_pairs`).
        source: description of the pairs, for the record.
        rates: false-accept rates that get a threshold, as far as the pairs can show them.
        folder: folder of the cache of observations, which other runs may share; None for the run's own.

    """

    pairs: Sequence[Pair]
    source: str
    rates: Sequence[float] = (1e-2, 1e-3)  # DECISION: what verification is usually set to
    folder: Path | None = None


def calibrate(given: CalibrationPairs | None, judges: Sequence[Judge], cache: ObservationCache, session: Mapping[str, Any]) -> Calibration:
    """Calibrate all recognisers on pairs of photographs; each process embeds its share.

    Args:
        given: the pairs; None for no calibration.
        judges: judges whose recognisers are calibrated.
        cache: cache of these judges' observations; photographs of an earlier run are taken from it.
        session: provenance of the figures, for pairs with a folder of their own.

    Raises:
        VeraError: a photograph can't be read.

    """
    if given is None:
        return Calibration()
    if given.folder is None:
        return _calibrated(given, judges, cache)
    with Ledger(given.folder, ranks.rank()) as ledger:
        return _calibrated(given, judges, ObservationCache(Files(given.folder), ledger, cache.observer, session))


def _calibrated(given: CalibrationPairs, judges: Sequence[Judge], cache: ObservationCache) -> Calibration:
    done = cache.ledger.items()
    for path in ranks.mine(sorted({path for pair in given.pairs for path in (pair.first, pair.second)})):
        _look(cache, done, path)
    ranks.wait()
    done, share = cache.ledger.items(), ranks.mine(given.pairs)
    found = {path: _look(cache, done, path) for pair in share for path in (pair.first, pair.second)}
    records = {}
    for judge in judges:
        metric = VerificationCalibration(false_accept_rates=given.rates)
        metric.update([_distance(judge, found[pair.first], found[pair.second]) for pair in share], [pair.same for pair in share])
        records[judge.recogniser.name] = {**metric.compute(), "own": metric.judge(judge.recogniser.threshold)}
    return Calibration(given.source, records)


def _look(cache: ObservationCache, done: Mapping[Any, Mapping[str, Any]], path: Path) -> Observation:
    person = Person(printable(str(path)), (PhotographFile("", path),))
    seen = cache.originals(Sources(person), done, called=CALIBRATION)
    if seen is None:
        raise VeraError(f"'{path}', which the recognisers are calibrated on, can't be read: copy it again, or leave its pairs out")
    return seen[0]


def _distance(judge: Judge, first: Observation, second: Observation) -> float:
    if not (first.usable and second.usable):
        return float("nan")
    name = judge.recogniser.name
    return judge.recogniser.distance(np.asarray(first.embeddings[name]), np.asarray(second.embeddings[name]))
