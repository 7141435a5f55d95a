"""Fit an identity to a photograph: measure the photograph's face, and render the new face in its crop."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from vera.exemplars.bank import ROLES, ExemplarBank
from vera.exemplars.building import beard_of
from vera.exemplars.eyes import whites_of, with_brown_irises, with_irises, with_whites
from vera.exemplars.hair import LEAST_HAIR, HairEdge, hair_edge, with_hairline
from vera.exemplars.identity import Exemplar, frontal
from vera.exemplars.layout import hairline, jawline, mouth_is_open, smile_of, target
from vera.exemplars.light import Light, measure_light, relit, with_shine_of
from vera.exemplars.pose import Camera, eye_distance, fit_camera
from vera.exemplars.region import face_region, skin_of, under_hair
from vera.exemplars.texture import BankRow, MeanLook, mixed_texture, without_strands
from vera.exemplars.toning import toned, toning_of
from vera.mosaic.colour import to_lab, to_rgb
from vera.mosaic.look import measure
from vera.mosaic.masks import with_features
from vera.mosaic.partners import PARTS
from vera.mosaic.points import BROWS, OUTLINE, extend
from vera.mosaic.warping import Target, eroded, filled, resample, softened
from vera.types import FACE_FEATURES, Mask, Points, Semantic, VeraError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

FOREHEAD_CLASSES = (Semantic.SKIN, Semantic.BROWS, Semantic.EYES, Semantic.NOSE, Semantic.GLASSES)
"""Classes that the rays to the hairline may cross."""
EYES_FOLLOW = 0.7
"""DECISION: share of the change of colour that eyes take: their white is no skin, and would turn blue or yellow."""
EYES_DARKEN = 0.4
"""DECISION: power of the factor by which eyes are darkened with the skin: part of it is the lamp's, and part is the skin's alone."""
SOFT_BORDER = 0.006
"""Gaussian width, in units of the crop, of the border between skin and eyes or mouth in relighting."""
MEAN_SIZE, MEAN_ROWS = 64, 24
"""Side of a mean face's picture, of which only broad colours are used, and the rows that go into it: those nearest in tone."""
LOWEST_FOREHEAD = 0.03
"""Distance above the brows, in units of the crop, from which a row's forehead is looked at."""
ODD = (15.0, 10.0)
"""DECISION: CIELAB lightness above, and distance in colour from, the forehead over the brows, from which a pixel is no skin but the shine
of a shaven head."""
MOST_ODD = 0.1
"""DECISION: share of such pixels from which a row is not used."""
NOSTRILS = 0.07
"""DECISION: half the height, in eye distances, of the strip along the nose's base that holds the nostrils."""
LEAST_SKIN = 0.01
"""Share of the crop that must be the face's skin for its light to be measured."""


@dataclass(frozen=True)
class Subject:
    """Measurements of the face in one photograph; pictures show its FFHQ crop, S pixels a side.

    Attributes:
        image: ``(S, S, 3)`` RGB, 0 to 255.
        labels: ``(S, S)`` class numbers.
        points: ``(105, 2)`` mesh in units of the crop, its forehead at the hairline.
        camera: turn of the head.
        smile: strength of the smile, 0 to 1.
        light: light on the skin.
        region: ``(S, S)``: what the new face covers.
        tone: ``(3,)`` CIELAB of the skin.
        beard: darkness of chin and upper lip against the cheeks.
        hair: CIELAB lightness of the hair; infinite where hardly any hair is seen.
        whites: ``(2,)`` CIELAB lightness of each eye's white (:func:`vera.exemplars.eyes.whites_of`).
        toning: colours of a black-and-white photograph (:func:`vera.exemplars.toning.toning_of`); None for one with colours.

    """

    image: Floats
    labels: Labels
    points: Points
    camera: Camera
    smile: float
    light: Light
    region: Mask
    tone: npt.NDArray[np.float64]
    beard: float
    hair: float
    whites: npt.NDArray[np.float64]
    toning: Floats | None

    @property
    def size(self) -> int:
        """Side S."""
        return len(self.labels)

    def at(self, size: int) -> Subject:
        """The same face in a smaller crop: what is measured stays, pictures shrink."""
        image = cv2.resize(self.image, (size, size), interpolation=cv2.INTER_AREA)
        labels, region = (cv2.resize(a.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST) for a in (self.labels, self.region))
        return replace(
            self, image=np.asarray(image, np.float32), labels=np.asarray(labels, np.uint8), region=np.asarray(region, dtype=np.bool_)
        )


@dataclass(frozen=True)
class NewFace:
    """A new face in the crop of a photograph.

    Attributes:
        image: ``(S, S, 3)`` RGB, 0 to 255; skin goes on beyond the region.
        labels: ``(S, S)`` class numbers.
        points: ``(68, 2)`` landmarks in units of the crop.

    """

    image: Floats
    labels: Labels
    points: Points

    @property
    def plain(self) -> Floats:
        """``(S, S)`` in [0, 1]: 1 on plain skin, 0 on eyes, brows, mouth and nostrils; the search for a face does without it."""
        size = len(self.labels)
        height = np.array([0, NOSTRILS * eye_distance(self.points)])
        nostrils = filled(np.vstack([self.points[31:36] - height, (self.points[31:36] + height)[::-1]]), size)
        border = SOFT_BORDER * size
        return softened(eroded(~np.isin(self.labels, FACE_FEATURES) & ~nostrils, round(border)), border)[..., 0]


def mean_hair(subjects: Sequence[Subject]) -> float:
    """Mean lightness of the hair in a person's photographs; infinite where none shows any."""
    seen = [subject.hair for subject in subjects if np.isfinite(subject.hair)]
    return float(np.mean(seen)) if seen else float("inf")


def observe(bank: ExemplarBank, image: Floats, labels: Labels, landmarks: Points) -> Subject:
    """Measure pose, expression, light and region of the face in a photograph's crop.

    Args:
        bank: bank of exemplars, which gives the mean faces.
        image: ``(S, S, 3)`` RGB, 0 to 255: the crop.
        labels: ``(S, S)`` class numbers of it.
        landmarks: ``(68, 2)`` in units of the crop.

    Raises:
        VeraError: hardly any skin is seen in the face.

    """
    lab = to_lab(image)
    labels = with_hairline(lab, labels, landmarks)
    points = hairline(extend(landmarks), labels, FOREHEAD_CLASSES)
    smile, camera = 0.0, fit_camera(bank.mean.neutral, landmarks)
    for _ in range(2):
        smile = smile_of(points, bank.mean, camera)
        camera = fit_camera(bank.mean.at(smile), landmarks)
    region = face_region(points, labels)
    points = jawline(points, region)
    skin = skin_of(labels, region)
    if skin.sum() < LEAST_SKIN * labels.size:
        raise VeraError("hardly any skin is seen in the face: is it covered? Give a photograph of the bare face")
    look = measure(lab, labels, points)
    tone = look.skin if np.isfinite(look.skin).all() else np.median(lab[skin], axis=0)
    hair = lab[..., 0][labels == Semantic.HAIR]
    lightness = float(np.median(hair)) if len(hair) > LEAST_HAIR * labels.size else np.inf
    return Subject(
        image, labels, points, camera, smile, measure_light(lab, skin), region,
        np.asarray(tone, np.float64), beard_of(look), lightness, whites_of(lab, landmarks), toning_of(lab),
    )  # fmt: skip


class Fitter:
    """Puts identities of a bank into photographs; decoded rows are kept for the next one.

    Args:
        bank: bank of exemplars, whose rows are mixed.

    """

    def __init__(self, bank: ExemplarBank) -> None:
        self.bank = bank
        self._image = lru_cache(maxsize=64)(self._prepared)
        self._looks = lru_cache(maxsize=4)(self._group)
        self._small = lru_cache(maxsize=None)(self._small_look)

    def fit(
        self,
        identity: Exemplar,
        subject: Subject,
        kept: Collection[Semantic],
        *,
        outlined: Collection[Semantic] = (),
        iris: Floats | None = None,
        quick: bool = False,
    ) -> NewFace:
        """The new face in a photograph's crop.

        Args:
            identity: identity whose face is drawn.
            subject: facts of the photograph's face.
            kept: classes that are kept, so that their points stay where they are.
            outlined: classes that are replaced, but whose points stay too, since a part of them is kept.
            iris: ``(3,)`` CIELAB of the irises, see :func:`vera.exemplars.eyes.kept_iris`; None for the identity's own.
            quick: take the nearer of neutral and smiling images for the colours, without a cross-fade; half the time.

        """
        points = target(frontal(self.bank, identity), subject.points, camera=subject.camera, smile=subject.smile, kept={*kept, *outlined})
        mesh = Target(points, self.bank.triangles, subject.size)
        smile = float(round(subject.smile)) if quick else subject.smile
        texture = mixed_texture(
            [self._row(int(row)) for row in identity.rows],
            identity.weights,
            dict(zip(PARTS, identity.parts.tolist(), strict=True)),
            mesh,
            mean=self._mean_look(identity, smile),
            smile=smile,
            teeth=mouth_is_open(points) and Semantic.MOUTH not in kept,
        )
        labels = _labels(points, subject)
        lab = to_lab(texture)
        if identity.brown_eyes and Semantic.EYES not in kept:
            lab = with_brown_irises(lab, points)
        skin = skin_of(labels, subject.region)
        border = SOFT_BORDER * subject.size
        follow, darken = (softened(np.where(labels == Semantic.EYES, share, 1.0), border) for share in (EYES_FOLLOW, EYES_DARKEN))
        own = measure_light(lab, skin)
        lit = relit(lab, own, subject.light, follow=follow, darken=darken)
        flesh = softened(~np.isin(labels, (Semantic.EYES, Semantic.MOUTH)), border)[..., 0]
        lit = with_shine_of(lit, own, subject.light, flesh)
        lit = with_whites(lit, points, subject.whites)
        if iris is not None:
            lit = with_irises(lit, points, iris)
        image = to_rgb(lit if subject.toning is None else toned(lit, subject.toning))
        return NewFace(image.clip(0, 255), labels, points[:68])

    def has_forehead(self, row: int) -> bool:
        """Whether a row's forehead is skin up to its hairline: the shine of a shaven head would be a stain in another face."""
        target = self._looks(int(self.bank.facts["sex"][row]))[1][0]
        lab, bottom = self._small(row, 0), float(target.points[17:27, 1].min()) - LOWEST_FOREHEAD
        rows = np.mgrid[:MEAN_SIZE, :MEAN_SIZE][0] / MEAN_SIZE
        inside = target.polygon(target.points[OUTLINE])
        lower = inside & (rows < bottom) & (rows > (bottom + float(target.points[OUTLINE][:, 1].min())) / 2)
        beyond = lab[inside & (rows < bottom)] - np.median(lab[lower], axis=0)
        lighter, other = beyond[:, 0] > ODD[0], np.linalg.norm(beyond[:, 1:], axis=1) > ODD[1]
        return bool((lighter | other).mean() < MOST_ODD)

    def hair(self, subject: Subject) -> HairEdge:
        """The photograph's hair that lies over any new face."""
        return hair_edge(subject.image, subject.labels, subject.region, under_hair(subject.points, subject.size))

    def _row(self, number: int) -> BankRow:
        def picture(role: int, size: int) -> Floats:
            return self._image(number, role, self._reduced(size))

        return BankRow(picture, (self.bank.mesh(number, 0), self.bank.mesh(number, 1)), self.bank.facts["tone"][number])

    def _reduced(self, size: int) -> int:
        """Factor by which rows are decoded smaller, for a target of so many pixels a side."""
        return next((factor for factor in (8, 4, 2) if self.bank.size // factor >= size), 1)

    def _prepared(self, row: int, role: int, reduced: int) -> Floats:
        """A row's picture as textures are mixed of it, ``(T, T, 3)`` CIELAB."""
        return without_strands(to_lab(self.bank.image(row, role, reduced=reduced)), self.bank.mesh(row, role))

    def _mean_look(self, identity: Exemplar, smile: float) -> MeanLook:
        """The mean colours of the rows of this sex that are nearest in tone, with what a share of the smile needs."""
        tones = self.bank.facts["tone"]
        tone = identity.weights @ tones[identity.rows]
        group = int(self.bank.facts["sex"][identity.rows[0]])
        rows, targets = self._looks(group)
        nearest = rows[np.argsort(np.linalg.norm(tones[rows] - tone, axis=1), kind="stable")[:MEAN_ROWS]]
        neutral, smiling = (
            np.mean([self._small(int(row), role) for row in nearest], axis=0) if share > 0 else None
            for role, share in enumerate((1 - smile, smile))
        )
        return MeanLook((neutral, smiling), (targets[0].points, targets[1].points), tones[nearest].mean(axis=0))

    def _group(self, sex: int) -> tuple[npt.NDArray[np.int64], list[Target]]:
        """All rows of a sex, and their mean mesh for each role, as the target of a small picture."""
        rows = np.flatnonzero(self.bank.facts["sex"] == sex)
        meshes = [np.mean([self.bank.mesh(int(row), role) for row in rows], axis=0) for role in range(ROLES)]
        return rows, [Target(mesh, self.bank.triangles, MEAN_SIZE) for mesh in meshes]

    def _small_look(self, row: int, role: int) -> Floats:
        """A row on the mean mesh of its sex: ``(T, T, 3)`` CIELAB."""
        bank = self.bank
        reduced = self._reduced(MEAN_SIZE)
        target = self._looks(int(bank.facts["sex"][row]))[1][role]
        picture = resample(bank.image(row, role, reduced=reduced), target.way_to(bank.mesh(row, role)), margin=0)
        return to_lab(np.asarray(picture, np.float32))


def _labels(points: Points, subject: Subject) -> Labels:
    """Class numbers of the new face: its features at its points, all else as in the photograph, covered skin filled in."""
    around = np.where(subject.region, Semantic.SKIN, subject.labels).astype(np.uint8)
    size = subject.size
    brow = np.zeros((size, size), dtype=np.bool_)
    thickness = 0.014 * np.array([0, 1.0])
    for line in BROWS:
        brow |= filled(np.vstack([points[list(line)] - thickness, (points[list(line)] + thickness)[::-1]]), size)
    return with_features(around, points, brow)
