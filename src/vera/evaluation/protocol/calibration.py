"""Calibration of recognisers' thresholds on pairs of photographs of one person and of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vera import distributed as ranks
from vera.data.people import Person, PhotographFile
from vera.data.verification_pairs import Pair
from vera.evaluation.judges import Calibration, Judge, Observation
from vera.evaluation.metrics.verification import VerificationCalibration
from vera.evaluation.protocol.cache import ObservationCache
from vera.evaluation.protocol.items import CALIBRATION, Files, Ledger, Sources
from vera.files import printable
from vera.types import VeraError


@dataclass(frozen=True)
class CalibrationPairs:
    """Pairs of photographs on which thresholds are calibrated.

    Attributes:
        pairs: of one person and of two (:func:`vera.data.verification_pairs.read_pairs`).
        source: what they are, for the record.
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
        session: where figures come from, for pairs with a folder of their own.

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
