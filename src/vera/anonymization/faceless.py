"""Photographs in which no face is found, such as a retractor close-up: covered but for the drawn region, or kept as they are.

Nothing can be parsed or compared with recognisers there, so the demand is stricter: no detector may find anything like a face in the
output, in any quarter turn, nor in a copy with a border, in which parts of faces at the edge are found more easily, nor, where the
photograph is dark or pale, in a copy with full contrast, which anybody could make.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from vera.anonymization.preservation import drawn_shape, region_facts
from vera.anonymization.request import Options
from vera.faces.detection import DetectedFace, Detector
from vera.faces.masks import check_mask
from vera.faces.turns import TURNS, UPRIGHT, TurnDetector, TurnedFind, search_turns
from vera.types import Anonymized, Mask, Photograph, Unsupported, VeraError

RENDERED, COVER, KEEP = HANDLINGS = ("renderer", "cover", "keep")
"""What becomes of a photograph: what the renderer of the call makes of it, a black cover, or nothing."""
BORDER = 0.5
"""DECISION: width of the border around the copy, as a share of the photograph's longer side."""

FULL = 128
"""DECISION: grey levels between the darkest and the brightest hundredth of a photograph; one with fewer is searched with full contrast."""


@dataclass(frozen=True)
class FacelessScene:
    """A photograph without a face, made ready.

    Attributes:
        photograph: the source photograph.
        preserved: ``(H, W)``, kept bit for bit.
        replaced: ``(H, W)``, black in the output: all that is not preserved.

    """

    photograph: Photograph
    preserved: Mask
    replaced: Mask

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        return region_facts(self.photograph, self.preserved, self.replaced)

    def output(self) -> Anonymized:
        """The photograph with its cover."""
        pixels = self.photograph.pixels.copy()
        pixels[self.replaced] = 0
        return Anonymized(self.photograph.name, pixels, self.preserved, self.replaced)


def faceless_scene(
    photograph: Photograph, mask: Mask | None, options: Options, detector: Detector, others: Sequence[TurnDetector]
) -> FacelessScene:
    """Cover or keep a photograph in which no face was found, as ``options.unsupported`` says.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        mask: ``(H, W)``: drawn region to preserve; None for none.
        options: choices of the call; of its regions only boxes and polygons mean something without a face.
        detector: face detector with 68 landmarks.
        others: further detectors, which look for parts of faces.

    Raises:
        Unsupported: to cover, nothing is drawn that could be kept; or something like a face is found in the result.

    """
    keep = options.unsupported == KEEP
    preserved = np.ones(photograph.size, dtype=bool) if keep else _drawn(photograph, mask, options)
    if not preserved.any():
        raise Unsupported(
            f"no face is found in photograph '{photograph.name}', so nothing but a drawn region can be kept: draw a mask "
            "(--preserve FILE, or the manifest's column 'mask'), or leave the photograph out",
            photograph,
        )
    scene = FacelessScene(photograph, preserved, ~preserved)
    parts = face_parts(replace(photograph, pixels=scene.output().image), detector, others)
    if parts:
        advice = "cover it (--unsupported cover), or leave it out" if keep else "draw a smaller region, or leave the photograph out"
        what = f"photograph '{photograph.name}' can't be {'kept' if keep else 'covered'}"
        raise Unsupported(f"{what}: {told_of(parts[0])}: {advice}", photograph)
    return scene


def face_parts(photograph: Photograph, detector: Detector, others: Sequence[TurnDetector]) -> list[TurnedFind]:
    """Everything that looks like a face to any detector, also weakly, in any quarter turn, in a copy with a border, and with full contrast.

    Args:
        photograph: the photograph that is searched.
        detector: face detector with 68 landmarks, which looks at full resolution.
        others: further detectors, which look at a reduced copy.

    """
    border = round(BORDER * max(photograph.size))
    mean = [float(value) for value in photograph.pixels.reshape(-1, 3).mean(axis=0).round()]
    padded = cv2.copyMakeBorder(photograph.pixels, border, border, border, border, cv2.BORDER_CONSTANT, value=mean)
    found = []
    views = [(photograph, 0), (replace(photograph, pixels=np.asarray(padded, dtype=np.uint8)), border)]
    low, high = (float(level) for level in np.percentile(photograph.pixels, (1, 99)))
    if low < high < low + FULL:
        levels = ((np.arange(256) - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
        views.append((replace(photograph, pixels=levels[photograph.pixels]), 0))
    for view, shift in views:
        faces, weak = detector.search(view)
        finds = [TurnedFind(face, UPRIGHT, detector.name) for face in (*faces, *weak)]
        finds += search_turns([detector, *others], view, turns=TURNS)
        found += [replace(find, face=_moved(find.face, -shift)) for find in finds]
    return found


def told_of(find: TurnedFind) -> str:
    """Say where something like a face is, for a message."""
    x0, y0, x1, y1 = find.face.box
    where = f"({x0:.0f}, {y0:.0f}) to ({x1:.0f}, {y1:.0f})"
    return f"{find.detector} finds something like a face at {where}" + (f", {find.turn} quarter turns anticlockwise" if find.turn else "")


def _drawn(photograph: Photograph, mask: Mask | None, options: Options) -> Mask:
    """Union of the drawn mask, boxes and polygons."""
    region = np.zeros(photograph.size, dtype=bool)
    if mask is not None:
        region |= check_mask(np.asarray(mask), photograph.size, f"of {photograph.name}")
    for shape in options.regions:
        if shape.is_shape:
            if shape.margin:
                raise VeraError(f"'{shape}' has a margin, which has no measure where no face is found: leave the margin out")
            region |= drawn_shape(shape, photograph)
    return region


def _moved(face: DetectedFace, shift: int) -> DetectedFace:
    x0, y0, x1, y1 = face.box
    return replace(face, box=(x0 + shift, y0 + shift, x1 + shift, y1 + shift), landmarks=face.landmarks + shift)
