"""Who judges: a detector and a recogniser, and what the recogniser's thresholds stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vera.data.people import Person, PhotographFile
from vera.data.verification_pairs import Pair
from vera.evaluation import protocol_ranks as ranks
from vera.evaluation.metrics.calibration import VerificationCalibration
from vera.evaluation.metrics.collected import Distance
from vera.evaluation.metrics.observation import Observation, Observer
from vera.evaluation.protocol_items import CALIBRATION, Sources
from vera.evaluation.protocol_seen import Looker
from vera.faces.detection import Detector, DlibDetector
from vera.faces.insightface_backend import InsightFaceBackend
from vera.faces.recognition import DlibRecogniser, Recogniser
from vera.faces.sface import SFaceRecogniser
from vera.files import printable
from vera.types import VeraError


@dataclass(frozen=True)
class Judge:
    """One backend that looks at photographs.

    Attributes:
        detector: finds faces; the first judge's landmarks are given to all recognisers.
        recogniser: tells people apart.
        distance: scipy's name of the recogniser's distance, which is much faster for large galleries; None: the recogniser's own.

    """

    detector: Detector
    recogniser: Recogniser
    distance: str | None = None

    @property
    def measure(self) -> Distance:
        """The distance, as metrics take it."""
        return self.distance or self.recogniser.distance


def dlib_judge() -> Judge:
    """The judge that needs no download: dlib's detector and recogniser."""
    return Judge(DlibDetector(), DlibRecogniser(), "euclidean")


def sface_judge() -> Judge:
    """A second judge that needs no download: dlib's detector and SFace."""
    return Judge(DlibDetector(), SFaceRecogniser(), "cosine")


def insightface_judge(pack: str, *, root: str, det_size: Sequence[int], device: str) -> Judge:
    """A pack of insightface models; see :class:`vera.faces.insightface_backend.InsightFaceBackend`."""
    backend = InsightFaceBackend(pack, root=root, det_size=(det_size[0], det_size[1]), device=device)
    return Judge(backend.detector, backend.recogniser, "cosine")


@dataclass(frozen=True)
class Calibration:
    """What recognisers' thresholds stand for.

    Attributes:
        source: which pairs of photographs; empty without a calibration.
        records: for each recogniser :meth:`~vera.evaluation.metrics.calibration.VerificationCalibration.compute`, and its own
            threshold's rates as ``own``.

    """

    source: str = ""
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def thresholds(self, recogniser: Recogniser) -> dict[str, float]:
        """The recogniser's ``own``, and one for each false-accept rate that the pairs could show, as ``far_0.001``."""
        at = self.records.get(recogniser.name, {}).get("at", {})
        return {"own": recogniser.threshold} | {f"far_{rate}": one["threshold"] for rate, one in at.items() if one["threshold"] is not None}

    def stated(self, recogniser: Recogniser) -> dict[str, Any]:
        """For the record: what the threshold stands for by the recogniser's own word, and as measured on these pairs."""
        return {
            "threshold": recogniser.threshold,
            "said": {"false_accept_rate": recogniser.false_accept_rate, "calibration": recogniser.calibration},
            "pairs": self.source or None,
            "measured": self.records.get(recogniser.name),
        }


@dataclass(frozen=True)
class CalibrationPairs:
    """Pairs of photographs on which thresholds are calibrated.

    Attributes:
        pairs: of one person and of two (:func:`vera.data.verification_pairs.read_pairs`).
        source: what they are, for the record.
        rates: false-accept rates that get a threshold, as far as the pairs can show them.
        folder: where what was seen in the photographs is kept, for other runs too; None for the run's own.

    """

    pairs: Sequence[Pair]
    source: str
    rates: Sequence[float] = (1e-2, 1e-3)  # DECISION: what verification is usually set to
    folder: Path | None = None


def calibrate(given: CalibrationPairs, judges: Sequence[Judge], looker: Looker) -> Calibration:
    """Look at every photograph of the pairs, once, and calibrate all recognisers; each process does its share.

    Args:
        given: the pairs.
        judges: whose recognisers.
        looker: looks with these judges; what it kept of an earlier run is not looked at again.

    Raises:
        VeraError: a photograph can't be read.

    """
    done = looker.ledger.items()
    for path in ranks.mine(sorted({path for pair in given.pairs for path in (pair.first, pair.second)})):
        _look(looker, done, path)
    ranks.wait()
    done, share = looker.ledger.items(), ranks.mine(given.pairs)
    found = {path: _look(looker, done, path) for pair in share for path in (pair.first, pair.second)}
    records = {}
    for judge in judges:
        metric = VerificationCalibration(false_accept_rates=given.rates)
        metric.update([_distance(judge, found[pair.first], found[pair.second]) for pair in share], [pair.same for pair in share])
        records[judge.recogniser.name] = {**metric.compute(), "own": metric.judge(judge.recogniser.threshold)}
    return Calibration(given.source, records)


def observer(judges: Sequence[Judge]) -> Observer:
    """All judges' eyes.

    Raises:
        VeraError: no judge, or two of one name.

    """
    detectors = {judge.detector.name: judge.detector for judge in judges}
    return Observer(list(detectors.values()), [judge.recogniser for judge in judges])


def _look(looker: Looker, done: Mapping[Any, Mapping[str, Any]], path: Path) -> Observation:
    person = Person(printable(str(path)), (PhotographFile("", path),))
    seen = looker.originals(Sources(person), done, called=CALIBRATION)
    if seen is None:
        raise VeraError(f"'{path}', which the recognisers are calibrated on, can't be read: copy it again, or leave its pairs out")
    return seen[0]


def _distance(judge: Judge, first: Observation, second: Observation) -> float:
    if not (first.usable and second.usable):
        return float("nan")
    name = judge.recogniser.name
    return judge.recogniser.distance(np.asarray(first.embeddings[name]), np.asarray(second.embeddings[name]))
