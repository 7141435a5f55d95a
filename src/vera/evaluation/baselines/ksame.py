"""k-Same (Newton, Sweeney and Malin, 2005): the mean of k other people's faces that look most like this one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vera.evaluation.baselines.obscuring import ALIGNED, Baseline, BaselineScene
from vera.faces.alignment import align, warp_to_photograph
from vera.faces.detection import Detector
from vera.faces.parsing import Parser
from vera.types import AlignedFace, Mask, Photograph, Pixels, Semantic, VeraError, tensor_to_image

COMPARED, MARGIN = 32, ALIGNED // 5
"""DECISION: faces are compared as grey images of this side, mean and contrast removed, after a margin is cut from the aligned face:
hair and background choose nobody."""


class TooFewFaces(VeraError):
    """The gallery has too few faces for means of k: an evaluation goes on without k-Same."""


class KSame(Baseline):
    """Averages of aligned faces.

    DECISION: unlike the original the person's own face is never in the mean, so that no share 1/k of it is left. One mean is used for
    all photographs of a person, chosen by all of them together: the baseline is consistent. Faces are averaged pixel by pixel in
    the FFHQ alignment; the double contours this gives are the method's own.

    Args:
        detector: face detector, also for the gallery's faces.
        gallery: person to a photograph of theirs; those without a face are counted and left out.
        k: number of faces that are averaged.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    Raises:
        VeraError: k is under 2.
        TooFewFaces: the gallery has too few faces.

    """

    name = "k-same"

    def __init__(
        self,
        detector: Detector,
        gallery: Mapping[str, Photograph],
        *,
        k: int,
        preserve: Sequence[Semantic] = (),
        parser: Parser | None = None,
    ) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if k < 2:
            raise VeraError(f"k-Same averages at least two faces, k is {k}")
        self.k = k
        found = {person: (photograph, detector.detect(photograph)) for person, photograph in sorted(gallery.items())}
        faces = {person: align(photograph, seen[0].landmarks, ALIGNED) for person, (photograph, seen) in found.items() if seen}
        self.without_face = len(gallery) - len(faces)
        if len(faces) < k + 1:
            raise TooFewFaces(f"k-Same needs {k} faces beside the person's own, the gallery has {len(faces)}: give more, or a smaller k")
        self.people = list(faces)
        self.images = np.stack([tensor_to_image(face.image) for face in faces.values()])
        self.looks = np.stack([_look(face) for face in faces.values()])
        shown = [(person, found[person][0].digest) for person in faces]
        self.gallery_digest = hashlib.sha256(repr(shown).encode()).hexdigest()

    def _parameters(self) -> dict[str, Any]:
        """The method's numbers and the gallery's digest: with another gallery all items are made again."""
        counts = {"gallery": len(self.people), "gallery_without_face": self.without_face}
        return {"k": self.k, **counts, "gallery_digest": self.gallery_digest}

    def _paint(self, scenes: Sequence[BaselineScene], person: str) -> list[tuple[Pixels, Mask]]:
        mean = self.images[self.chosen([scene.face for scene in scenes], person)].mean(axis=0, dtype=np.float32).transpose(2, 0, 1)
        painted = []
        for scene in scenes:
            warped, inside = warp_to_photograph(mean, scene.face, scene.photograph.size)
            painted.append((warped.round().clip(0, 255).astype(np.uint8), inside))
        return painted

    def chosen(self, faces: Sequence[AlignedFace], person: str) -> list[int]:
        """Numbers of the k gallery faces nearest to a person's photographs, on the mean over them; never the person's own."""
        distance = np.mean([np.linalg.norm(self.looks - _look(face), axis=1) for face in faces], axis=0)
        order = [int(i) for i in np.argsort(distance, kind="stable") if self.people[i] != person]
        return order[: self.k]


def _look(face: AlignedFace) -> npt.NDArray[np.float64]:
    grey = cv2.cvtColor(tensor_to_image(face.image), cv2.COLOR_RGB2GRAY)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    small = cv2.resize(grey, (COMPARED, COMPARED), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    centred = small - small.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-9))
