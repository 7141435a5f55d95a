"""How near generated faces come to photographs of people: the face by a recogniser, what surrounds it by a perceptual distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vera.evaluation.judges import Judge, Observer
from vera.evaluation.metrics.base import distances
from vera.faces.alignment import align, transform
from vera.faces.geometry import FaceGeometry
from vera.faces.photograph import photograph_from_pixels, read_photograph
from vera.faces.recognition import Embedding
from vera.features.perceptual import PerceptualDistance
from vera.types import Pixels, Points, VeraError, image_to_tensor, tensor_to_image

Matrix = npt.NDArray[np.float64]
SIDE = 256
"""DECISION: faces are looked at this large, made ones and real ones alike."""
SURROUND = 128
"""DECISION: side at which hair and surround are compared; hair is recognisable at it, and 2,000 faces are a matter of minutes."""
BORDER = 0.02
"""DECISION: the painted face reaches this share of the side beyond its outline: no skin is left to compare."""


class Seen(NamedTuple):
    """One face as the judges see it.

    Attributes:
        embeddings: ``(V, D)``, one for each version of the picture; the nearest counts.
        surround: ``(P,)`` float16 (2,000 of them are kept) of the picture with the face painted over.

    """

    embeddings: Matrix
    surround: Tensor


class Real(NamedTuple):
    """One photograph.

    Attributes:
        person: whose.
        pixels: ``(SIDE, SIDE, 3)``: aligned, at the bundle's resolution, enlarged as samples are.
        seen: as it is shown in ``pixels``; its first embedding is that of ``pixels``, its second that of the whole photograph.

    """

    person: str
    pixels: Pixels
    seen: Seen

    @classmethod
    def read(cls, person: str, path: Path, size: int, judge: Judge, perceptual: PerceptualDistance) -> Real:
        """Read a photograph and reduce it to what a bundle of this size could show of it.

        Raises:
            VeraError: no face in it.

        """
        photograph = read_photograph(path)
        faces = judge.detector.detect(photograph)
        if not faces:
            raise VeraError(f"no face found in a photograph of '{person}': leave the person out of the table")
        face = align(photograph, faces[0].landmarks, min(size, SIDE))
        place = (transform(face.landmarks, face.from_photograph) + 0.5) * SIDE / face.size - 0.5
        pixels = view(tensor_to_image(face.image))
        reduced = look_at(pixels, judge, perceptual, place=place)
        if reduced is None:
            raise VeraError(f"a photograph of '{person}' could not be looked at: leave the person out of the table")
        whole = judge.recogniser.embed(photograph.pixels, faces[0].landmarks)
        return cls(person, pixels, Seen(np.concatenate([reduced.embeddings, whole[None]]), reduced.surround))


def view(pixels: Pixels) -> Pixels:
    """A face as the judges get it: :data:`SIDE` wide."""
    way = cv2.INTER_AREA if len(pixels) > SIDE else cv2.INTER_CUBIC
    return pixels if len(pixels) == SIDE else np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=way), np.uint8)


def look_at(pixels: Pixels, judge: Judge, perceptual: PerceptualDistance, *, place: Points | None = None) -> Seen | None:
    """A face in a picture of side :data:`SIDE`; None where none is found.

    Args:
        pixels: the picture.
        judge: finds and recognises the face.
        perceptual: describes the surround.
        place: landmarks of a face that is known to be there.

    """
    found = Observer([judge.detector], [judge.recogniser])(photograph_from_pixels(pixels, "face"), place=place)
    if not found.usable:
        return None
    embedding: Embedding = found.embeddings[judge.recogniser.name]
    small = cv2.resize(painted(pixels, found.landmarks), (SURROUND, SURROUND), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        return Seen(embedding[None], perceptual.vectors(image_to_tensor(np.asarray(small, np.uint8))[None])[0].half())


def painted(pixels: Pixels, landmarks: Points) -> Pixels:
    """The picture with grey in place of the face, from the hairline to the chin; ears stay."""
    reach = round(BORDER * len(pixels))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    face = cv2.dilate(FaceGeometry(landmarks, len(pixels)).face.astype(np.uint8), disc).astype(bool)
    return np.asarray(np.where(face[..., None], 128, pixels), np.uint8)


def apart(made: Sequence[Seen], real: Sequence[Real], aspect: str, judge: Judge) -> Matrix:
    """``(N, M)`` distances of faces to photographs.

    Args:
        made: generated faces; of each its first embedding.
        real: photographs; of each the nearest embedding.
        aspect: ``face`` or ``surround``.
        judge: whose recogniser.

    """
    if aspect == "face":
        probes = np.stack([one.embeddings[0] for one in made])
        versions = [np.stack([one.seen.embeddings[v] for one in real]) for v in range(len(real[0].seen.embeddings))] if real else []
        return np.min([distances(probes, version, judge.measure) for version in versions], axis=0) if real else np.zeros((len(made), 0))
    shown = torch.stack([one.seen.surround for one in real]).float() if real else torch.zeros(0, len(made[0].surround))
    rows = [(shown - one.surround.float()).square().sum(dim=1) for one in made]
    return torch.stack(rows).double().numpy()


def nearest_other(real: Sequence[Real], aspect: str, judge: Judge, *, same: bool) -> Matrix:
    """``(M,)``: of each photograph the distance to the nearest one of another person, or to the same person's nearest other one.

    Those for which there is none are left out.
    """
    table = apart([one.seen for one in real], real, aspect, judge)
    owners = np.array([one.person for one in real])
    allowed = (owners[:, None] == owners[None]) == same
    np.fill_diagonal(allowed, False)
    near = np.where(allowed, table, np.inf).min(axis=1)
    return near[np.isfinite(near)]


def per_person(table: Matrix, real: Sequence[Real]) -> Matrix:
    """``(people,)``: of each person the distance to the nearest made face."""
    owners = np.array([one.person for one in real])
    return np.array([table[:, owners == person].min() for person in dict.fromkeys(owners)])


def histograms(curves: dict[str, tuple[Matrix, Matrix, Matrix]], face: str, *, lines: Sequence[float]) -> Figure:
    """Distances of samples, and of real people, to the nearest person; one panel for faces, one for what surrounds them."""
    figure = Figure(figsize=(7, 5.4), layout="constrained")
    names = ("sample to the nearest training person", "real person to the nearest other person", "real person to the own other photograph")
    for axes, (aspect, sides) in zip(figure.subplots(len(curves), 1), curves.items(), strict=True):
        bins = np.linspace(0, 1.05 * max(float(side.max()) for side in sides if len(side)), 61)
        for side, name in zip(sides, names, strict=True):
            axes.hist(side, bins=bins, density=True, alpha=0.55, label=f"{name} ({len(side)})")
        for line in lines if aspect == "face" else ():
            axes.axvline(line, color="black", linestyle="--", linewidth=1)
        axes.set(yticks=[], xlabel=f"distance, {face}" if aspect == "face" else "perceptual distance with the face painted over")
        axes.margins(y=0.45)
        axes.legend(loc="upper left", frameon=False, fontsize="small")
    return figure


def picture(pairs: Sequence[tuple[Pixels, Pixels, float]], *, columns: int = 4) -> Figure:
    """Pairs of a sample and a photograph with their distances, the nearest first."""
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(2.6 * columns, 1.6 * rows), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, (sample, photograph, distance) in zip(figure.axes, pairs, strict=False):
        axes.imshow(np.concatenate([sample, photograph], axis=1))
        axes.set_title(f"sample, photograph: {distance:.3f}", fontsize="x-small")
    return figure
