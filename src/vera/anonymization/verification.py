"""Verification of anonymized photographs before they are written. Every doubt is a reason to refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vera.anonymization.faceless import COVER, KEEP, RENDERED, face_parts, told_of
from vera.anonymization.placement import Window
from vera.faces.detection import DetectedFace, Detector
from vera.faces.recognition import Recogniser
from vera.faces.turns import SAME, UPRIGHT, TurnDetector, TurnedFind, distinct, overlap, search_turns
from vera.types import Anonymized, Photograph, Pixels, Points

SCALES = (1.0, 0.7, 0.5)
"""DECISION: sizes at which an output is compared with its source, each also mirrored; the smallest distance counts."""
OVERLAP = 0.3
"""DECISION: least intersection over union of the face found in an output with the source's."""
LEAST_CHANGED = 0.9
"""DECISION: least share of the replaced region's pixels that differ visibly from the source."""
VISIBLE = 2
"""Grey levels, in at least one channel, from which a pixel counts as changed."""
PLACES = (
    ("an eye", range(36, 42)),
    ("an eye", range(42, 48)),
    ("the nose", [30]),
    ("a corner of the mouth", [48]),
    ("a corner of the mouth", [54]),
)
"""Landmarks of the old face whose means must be covered or preserved."""
MOST_MISPLACED = 1
"""DECISION: how many of these five may lie elsewhere: detectors differ by a little."""
CONTEXT = 0.6
"""Margin around the landmarks that a recogniser is given, as a share of their extent."""
MIRRORED = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),  # jaw, brows, nose
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),  # mouth
    ]
)
"""Where each iBUG landmark lies in a mirrored face."""

Embedding = npt.NDArray[Any]


@dataclass(frozen=True)
class Verdict:
    """The judgement over all photographs of a person.

    Attributes:
        reasons: why they must not be written; empty when all is well.
        record: distances, thresholds and shares, for the audit.

    """

    reasons: tuple[str, ...]
    record: dict[str, Any]

    @property
    def passed(self) -> bool:
        """Whether the outputs may be written."""
        return not self.reasons


@dataclass(frozen=True)
class Look:
    """Faces that the detectors find in one output.

    Attributes:
        new: the face in the source's place; None when there is none.
        others: everything else that looks like a face, anywhere and in any quarter turn.

    """

    new: DetectedFace | None
    others: list[TurnedFind]


class Verifier:
    """Judges outputs against the sources of one person; the sources are embedded once.

    Requirements: a face is found in every output where a new one was drawn; every recogniser puts every output at its refusal threshold
    or farther from every source of the person (over mirrored and rescaled views); every two outputs of a new face are closer to each
    other than the threshold, for every recogniser; every pixel outside the replaced region is the source's; at least
    :data:`LEAST_CHANGED` of the replaced pixels changed; eyes, nose and mouth of the old face, as a further detector sees them, are
    covered or preserved; no face that any detector finds anywhere in an output, in any quarter turn, is
    the person to any recogniser. Faces that stay by choice (bystanders) are only refused below the plain threshold: they are other
    people, whom a wider one would take for the person more often.

    Args:
        photographs: the source photographs of one person.
        faces: the chosen face of each; None for a photograph without one, which is covered or kept.
        detector: detector that finds the new face in the outputs.
        recognisers: one recogniser or more; each must find the outputs different from the sources.
        others: further detectors, which look for faces anywhere in the outputs and in all quarter turns.
        seen: their finds in each photograph as it is; None: they look.
        new_face: the outputs show a new face. Without one (a blur, a cover) no face need be found, and outputs need not match each other;
            all else is required alike, also where the source's face was.

    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        faces: Sequence[DetectedFace | None],
        *,
        detector: Detector,
        recognisers: Sequence[Recogniser],
        others: Sequence[TurnDetector] = (),
        seen: Sequence[Sequence[TurnedFind]] | None = None,
        new_face: bool = True,
    ) -> None:
        self.new_face = new_face
        self.photographs, self.faces = list(photographs), list(faces)
        self.detector, self.recognisers, self.others = detector, list(recognisers), list(others)
        looked = (search_turns(self.others, photograph, turns=(UPRIGHT,)) if face else [] for photograph, face in self._pairs())
        self.seen = [list(finds) for finds in (looked if seen is None else seen)]
        self.sources = [
            [embeddings(recogniser, photograph.pixels, face.landmarks, scales=(1.0,)) if face else [] for photograph, face in self._pairs()]
            for recogniser in self.recognisers
        ]

    def strangers(self) -> list[str]:
        """Pairs of sources that a recogniser does not take for one person, a sentence each; empty when all match."""
        names = [photograph.name for photograph in self.photographs]
        found = []
        for recogniser, sources in zip(self.recognisers, self.sources, strict=True):
            known = [(name, views) for name, views in zip(names, sources, strict=True) if views]
            for (name, ours), (other, theirs) in combinations(known, 2):
                distance = min(recogniser.distance(a, b) for a in ours for b in theirs)
                if not distance < recogniser.threshold:  # a NaN is no match
                    found.append(
                        f"{recogniser.name} does not take the faces in '{name}' and '{other}' for one person "
                        f"(distance {distance:.3f}, less than {recogniser.threshold:.3f} is expected)"
                    )
        return found

    def judge(self, outputs: Sequence[Anonymized], handlings: Sequence[str] = ()) -> Verdict:
        """Judge all outputs of the person together.

        Args:
            outputs: an output for each photograph, in its order.
            handlings: treatment of each photograph (:data:`vera.anonymization.faceless.HANDLINGS`); empty: all are the renderer's.

        """
        reasons: list[str] = []
        how = list(handlings) or [RENDERED] * len(outputs)
        shares = [_changed(photograph, output) for photograph, output in zip(self.photographs, outputs, strict=True)]
        for photograph, face, seen, output, handling, share in zip(
            self.photographs, self.faces, self.seen, outputs, how, shares, strict=True
        ):
            reasons += pixel_faults(photograph, output) + handling_faults(output, handling, face_found=face is not None)
            reasons += misplaced(output, face, seen) if face else []
            if handling == RENDERED and share < LEAST_CHANGED:
                reasons.append(f"{output.name}: only {share:.0%} of the replaced region really changed")
        looks = [self._look(output, face) for output, face in zip(outputs, self.faces, strict=True)]
        found = [look.new for look in looks]
        for output, source, look, handling in zip(outputs, self.faces, looks, how, strict=True):
            if handling == RENDERED and self.new_face and look.new is None:
                reasons.append(f"{output.name}: no face is found in the output")
            if source is None:
                reasons += [f"{output.name}: {told_of(find)}" for find in look.others]
        judged = [self._compare(number, outputs, looks, how) for number in range(len(self.recognisers))]
        for _, objections in judged:
            reasons += objections
        record = {
            "passed": not reasons,
            "reasons": reasons,
            "face_found": [face is not None for face in found],
            "changed_share": [round(share, 4) for share in shares],
            "recognisers": [distances for distances, _ in judged],
        }
        return Verdict(tuple(reasons), record)

    def _pairs(self) -> list[tuple[Photograph, DetectedFace | None]]:
        return list(zip(self.photographs, self.faces, strict=True))

    def _look(self, output: Anonymized, source: DetectedFace | None) -> Look:
        """The new face in the source's place, and all other finds anywhere in the output."""
        photograph = Photograph(output.image, output.name, "")
        if source is None:
            return Look(None, face_parts(photograph, self.detector, self.others))
        faces, weak = self.detector.search(photograph)
        there = [face for face in (*faces, *weak) if overlap(face.box, source.box) >= OVERLAP]
        new = max(there, key=lambda face: overlap(face.box, source.box), default=None)
        finds = [TurnedFind(face, UPRIGHT, self.detector.name) for face in (*faces, *weak)] + search_turns(self.others, photograph)
        margins = {other.name: other.turn_margin for other in self.others}
        rest = [find for find in distinct(finds, margins) if not (new and self._again(find, new))]
        return Look(new, rest)

    def _again(self, find: TurnedFind, new: DetectedFace) -> bool:
        """Whether a find is the new face, found by the same detector; that one is compared more thoroughly."""
        return find.detector == self.detector.name and find.turn == UPRIGHT and overlap(find.face.box, new.box) > SAME

    def _compare(
        self, number: int, outputs: Sequence[Anonymized], looks: Sequence[Look], handlings: Sequence[str]
    ) -> tuple[dict[str, Any], list[str]]:
        """Distances by one recogniser, and what is wrong with them; none where the source shows no face."""
        recogniser, sources = self.recognisers[number], [views for views in self.sources[number] if views]
        views: list[list[Embedding]] = []
        for output, look, source in zip(outputs, looks, self.faces, strict=True):
            if source is None:
                views.append([])
                continue
            # also where the source's face was: a recogniser must not find it there either
            there = embeddings(recogniser, output.image, source.landmarks, scales=(1.0,) if self.new_face else SCALES)
            views.append((embeddings(recogniser, output.image, look.new.landmarks, scales=SCALES) if look.new else []) + there)
        to_source = [[min(recogniser.distance(a, b) for a in mine for b in theirs) for theirs in sources] if mine else [] for mine in views]
        rendered = [view for view, handling in zip(views, handlings, strict=True) if view and handling == RENDERED]
        between = [recogniser.distance(a[0], b[0]) for a, b in combinations(rendered, 2)]
        objections = [
            f"{output.name}: {recogniser.name} still recognises the person "
            f"(distance {min(distances):.3f}, at least {recogniser.refusal_threshold:.3f} is needed)"
            for output, distances in zip(outputs, to_source, strict=True)
            if distances and not min(distances) >= recogniser.refusal_threshold  # a NaN is refused
        ]
        if self.new_face and between and not max(between) < recogniser.threshold:
            objections.append(
                f"{recogniser.name} does not take the outputs for one person "
                f"(distance {max(between):.3f}, less than {recogniser.threshold:.3f} is needed)"
            )
        anywhere = [self._elsewhere(number, output, look, face) for output, look, face in zip(outputs, looks, self.faces, strict=True)]
        for output, finds in zip(outputs, anywhere, strict=True):
            objections += [
                f"{output.name}: {recogniser.name} recognises the person at ({find['box'][0]}, {find['box'][1]}) to ({find['box'][2]}, "
                f"{find['box'][3]}) (distance {find['distance']}, at least {find['needed']:.3f} is needed)"
                for find in finds
                if not find["passed"]
            ]
        record = {
            "name": recogniser.name,
            "threshold": recogniser.threshold,
            "refusal_threshold": recogniser.refusal_threshold,
            "false_accept_rate": recogniser.false_accept_rate if np.isfinite(recogniser.false_accept_rate) else None,
            "calibration": recogniser.calibration,
            "output_to_source": [[_number(d) for d in distances] for distances in to_source],
            "between_outputs": [_number(d) for d in between],
            "elsewhere": anywhere,
        }
        return record, objections

    def _elsewhere(self, number: int, output: Anonymized, look: Look, source: DetectedFace | None) -> list[dict[str, Any]]:
        """Distances of an output's other finds to the person, for the audit; none without a face in the source, where any find refuses."""
        recogniser, sources = self.recognisers[number], self.sources[number]
        result: list[dict[str, Any]] = []
        if source is None:
            return result
        for find in look.others:
            view = embeddings(recogniser, output.image, find.face.landmarks, scales=(1.0,), mirrored=False)
            distance = min(recogniser.distance(a, b) for a in view for theirs in sources for b in theirs)
            needed = recogniser.refusal_threshold if overlap(find.face.box, source.box) >= OVERLAP else recogniser.threshold
            result.append(
                {
                    "box": [round(corner) for corner in find.face.box],
                    "detector": find.detector,
                    "quarter_turns": find.turn,
                    "distance": _number(distance),
                    "needed": needed,
                    "passed": bool(distance >= needed),  # a NaN is refused
                }
            )
        return result


def pixel_faults(photograph: Photograph, output: Anonymized) -> list[str]:
    """List what breaks the promise that only pixels of the replaced region and the hair edge change, a sentence each.

    Args:
        photograph: the source, of the output's size.
        output: the output with its regions.

    """
    found, covered = [], output.covered
    changed = (photograph.pixels != output.image).any(axis=2)
    if count := int((changed & output.preserved).sum()):
        found.append(f"{output.name}: {count} preserved pixels are not the source's")
    if count := int((changed & ~covered & ~output.preserved).sum()):
        found.append(f"{output.name}: {count} pixels outside the replaced region changed")
    if count := int((output.preserved & covered).sum()):
        found.append(f"{output.name}: {count} preserved pixels are in the replaced region")
    return found


def misplaced(output: Anonymized, face: DetectedFace, seen: Sequence[TurnedFind]) -> list[str]:
    """Say whether the new face lies beside the old one, as wrong landmarks place it: a sentence for each detector that sees so.

    Args:
        output: the output with its regions.
        face: the source's face by the landmarks that the output was made with.
        seen: upright finds of further detectors in the source; of each, the one that overlaps the face most is looked at.

    """
    safe, found = output.preserved | output.covered, []
    height, width = safe.shape
    for detector in sorted({find.detector for find in seen}):
        old = max((find.face for find in seen if find.detector == detector), key=lambda one: overlap(one.box, face.box))
        if overlap(old.box, face.box) == 0:
            continue  # another person's
        bare = []
        for name, place in PLACES:
            x, y = np.round(old.landmarks[list(place)].mean(axis=0)).astype(int)
            if 0 <= x < width and 0 <= y < height and not safe[y, x]:
                bare.append(name)
        if len(bare) > MOST_MISPLACED:
            found.append(
                f"{output.name}: the new face does not lie where {detector} sees the old one ({', '.join(dict.fromkeys(bare))} is not "
                "covered): the landmarks are wrong, give better ones (--landmarks)"
            )
    return found


def handling_faults(output: Anonymized, handling: str, *, face_found: bool) -> list[str]:
    """List what breaks the promise of a photograph that was covered or kept instead of rendered, a sentence each.

    Args:
        output: the output with its regions.
        handling: treatment of the photograph, one of :data:`vera.anonymization.faceless.HANDLINGS`.
        face_found: the source shows a face, so that a cover hides this face; else it hides all but the preserved region.

    """
    found = []
    if handling == COVER:
        if count := int(output.image[output.replaced].any(axis=1).sum()):
            found.append(f"{output.name}: {count} covered pixels are not black")
        if not face_found and (count := int((~output.preserved & ~output.replaced).sum())):
            found.append(f"{output.name}: {count} pixels are neither preserved nor covered, though no face is found")
    if handling == KEEP and not (output.preserved.all() and not face_found):
        found.append(f"{output.name}: it is kept as it is, though it shows a face or is not preserved as a whole")
    return found


def embeddings(
    recogniser: Recogniser, pixels: Pixels, landmarks: Points, *, scales: Sequence[float], mirrored: bool = True
) -> list[Embedding]:
    """Embeddings of one face at several scales, each as it is and (if so asked for) mirrored; the first is the plain one."""
    extent = float(np.ptp(landmarks, axis=0).max())
    window = Window.around_points(landmarks, (pixels.shape[0], pixels.shape[1]), margin=CONTEXT * extent)
    part, points = np.ascontiguousarray(pixels[window.slices]), landmarks - (window.left, window.top)
    result = []
    for scale in scales:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        ratio = np.array(size) / (part.shape[1], part.shape[0])
        view = part if scale == 1.0 else np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        at = (points + 0.5) * ratio - 0.5
        result.append(recogniser.embed(view, at))
        if mirrored:
            other = np.column_stack([view.shape[1] - 1 - at[:, 0], at[:, 1]])[MIRRORED]
            result.append(recogniser.embed(np.ascontiguousarray(view[:, ::-1]), other))
    return result


def _number(distance: float) -> float | None:
    """Convert NaN to None, since JSON has no NaN."""
    return round(float(distance), 4) if np.isfinite(distance) else None


def _changed(photograph: Photograph, output: Anonymized) -> float:
    """Share of replaced pixels that differ visibly from the source; 0 when nothing is replaced."""
    if not output.replaced.any():
        return 0.0
    before, after = (image[output.replaced].astype(np.int16) for image in (photograph.pixels, output.image))
    return float((np.abs(after - before).max(axis=1) >= VISIBLE).mean())
