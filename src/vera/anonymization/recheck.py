"""Check an anonymized person again, from the written files and the audit's record: pixels, regions and recognisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vera.anonymization.clip import steady_faces
from vera.anonymization.faceless import RENDERED
from vera.anonymization.request import Options
from vera.anonymization.scene import find_face
from vera.anonymization.verification import Verifier
from vera.faces.detection import DetectedFace, Detector
from vera.faces.given_face import given_of
from vera.faces.recognition import Recogniser
from vera.faces.turns import TurnDetector
from vera.types import Anonymized, Photograph, Unsupported, VeraError

TOLERANCE = 0.01
"""DECISION: two machines, or two versions of a library, may measure distances that differ by so much; thresholds lie at 0.5 to 0.7."""


class Rechecker:
    """Measures again what the verification of a person measured, and compares it with the record.

    Args:
        detector: detector that finds the faces, the anonymizer's own.
        recognisers: recognisers to ask, with the thresholds of the call.
        others: further detectors, which look for the person anywhere in an output.

    """

    def __init__(self, *, detector: Detector, recognisers: Sequence[Recogniser], others: Sequence[TurnDetector] = ()) -> None:
        self.detector, self.recognisers, self.others = detector, list(recognisers), list(others)

    def absent(self, record: Mapping[str, Any]) -> list[str]:
        """Recognisers that the record names and that are not here."""
        here = {recogniser.name for recogniser in self.recognisers}
        return [known["name"] for known in record["verification"]["recognisers"] if known["name"] not in here]

    def __call__(self, sources: Sequence[Photograph], outputs: Sequence[Anonymized], record: Mapping[str, Any]) -> list[str]:
        """List what is wrong with a person's outputs, a sentence each.

        Args:
            sources: all photographs of the person, upright as the outputs are.
            outputs: output of each, with the regions of the record.
            record: the person's record in the audit, of the schema's form.

        """
        names = {known["name"] for known in record["verification"]["recognisers"]}
        try:
            measured = self.measure(sources, outputs, record, [recogniser for recogniser in self.recognisers if recogniser.name in names])
        except VeraError as error:
            return [f"the recognisers cannot be asked again: {error}"]
        return [*measured["reasons"], *_differences(record["verification"], measured)]

    def measure(
        self,
        sources: Sequence[Photograph],
        outputs: Sequence[Anonymized],
        record: Mapping[str, Any],
        recognisers: Sequence[Recogniser] | None = None,
    ) -> dict[str, Any]:
        """The verification's record of these outputs, as it would be written now.

        Args:
            sources: all photographs of the person, upright as the outputs are.
            outputs: output of each, with the regions of the record.
            record: the person's record in the audit, for the choices of the call.
            recognisers: names of this object's recognisers that measure; None for all.

        Raises:
            VeraError: no face, or not the one face, is found in a source.

        """
        chosen = record["options"]
        given = chosen.get("given")
        where = None if given is None else given_of(given, "the audit's given face")
        options = Options(face=chosen["face"], leave_others=chosen["leave_others"], given=where)
        handlings = handlings_of(record)
        faces = [self._face(source, options, handling) for source, handling in zip(sources, handlings, strict=True)]
        if "clip" in record:
            faces = list(steady_faces([face for face in faces if face]))
        asked = self.recognisers if recognisers is None else recognisers
        drawn = record["bundle"] is not None
        verifier = Verifier(sources, faces, detector=self.detector, recognisers=asked, others=self.others, new_face=drawn)
        return verifier.judge(outputs, handlings).record

    def _face(self, source: Photograph, options: Options, handling: str) -> DetectedFace | None:
        """The face of a source; None where there is none and the photograph was not rendered."""
        try:
            return find_face(self.detector, source, options, self.others).face
        except Unsupported:
            if handling == RENDERED:
                raise
            return None


def handlings_of(record: Mapping[str, Any]) -> list[str]:
    """The handling of each photograph of a record; an earlier version, which does not say so, rendered all."""
    return [photograph.get("handling", RENDERED) for photograph in record["photographs"]]


def _differences(recorded: Mapping[str, Any], measured: Mapping[str, Any]) -> list[str]:
    """Distances that are not those of the record, a sentence for each recogniser."""
    found = []
    then = {known["name"]: known for known in recorded["recognisers"]}
    for now in measured["recognisers"]:
        known = then[now["name"]]
        for name in ("output_to_source", "between_outputs"):
            told, seen = _flat(known[name]), _flat(now[name])
            if len(told) != len(seen):
                found.append(f"{now['name']}: the audit has {len(told)} distances where there are {len(seen)}")
            elif wrong := [(a, b) for a, b in zip(told, seen, strict=True) if not _alike(a, b)]:
                found.append(f"{now['name']} measures a distance of {wrong[0][1]} where the audit says {wrong[0][0]}")
    return found


def _flat(distances: Sequence[Any]) -> list[float | None]:
    return [one for part in distances for one in (part if isinstance(part, list) else [part])]


def _alike(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else abs(a - b) <= TOLERANCE
