"""Build a bank of exemplars from a data set of mosaics: choose rows evenly, mask all but the face, encode."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from vera.exemplars.bank import ROLES, ExemplarBank
from vera.exemplars.layout import hairline
from vera.faces.formats import FORMATS
from vera.faces.landmarks import scaled
from vera.mosaic.colour import to_lab, typology_angle
from vera.mosaic.look import SkinLook, measure
from vera.mosaic.points import EYES, OUTLINE
from vera.mosaic.records import read_records
from vera.mosaic.warping import filled
from vera.types import BARE_FACE, FACE_SKIN, Points, Semantic, VeraError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

QUALITY = 90
"""DECISION: of the JPEGs, colours at half the resolution: pores stay, 160 rows fit into 16 MB."""
SEGMENTATION_SIZE = 256
EDGE = 0.014
"""DECISION: how far inside its border skin is taken before it is carried on, in units of the side: hair throws shadows."""
COARSE = 4
"""What is carried on is smooth: it is made at a size smaller by this factor."""
SPREADS = (0.008, 0.016, 0.031, 0.062, 0.125, 0.25)
"""Gaussian widths, in units of the side, by which skin is carried on farther and farther."""
BEARD_COUNTS = 4.0
"""Lightness by which chin and upper lip of a bearded face are darker than its cheeks (CIELAB)."""
IRIS = (0.09, 0.16)
"""Ring of the iris around the middle of the eye, in widths of the eye: inside is the pupil, outside the white."""
LEAST_HUE = 37.0
"""DECISION: hue angle of skin in CIELAB, degrees: mosaics below it are purple, from mixing people who were lit differently."""


@dataclass(frozen=True)
class Candidate:
    """One mosaic identity that may become a row.

    Attributes:
        number: number in the data set.
        records: records of its photographs, neutral and smiling.
        tone: ``(3,)`` CIELAB of the cheeks.
        beard: beard as in :class:`~vera.exemplars.bank.ExemplarBank`.
        sex: name of the group.
        age: years, NaN where a donor's is not known.
        donors: names of everybody whose photographs went in.
        eyes: eyes as in :class:`~vera.exemplars.bank.ExemplarBank`.
        folder: folder of the data set.

    """

    number: int
    records: tuple[Mapping[str, Any], Mapping[str, Any]]
    tone: npt.NDArray[np.float64]
    beard: float
    sex: str
    age: float
    donors: tuple[str, ...]
    eyes: float
    folder: Path

    @property
    def name(self) -> str:
        """Its number as its files are called by."""
        return str(self.records[0]["name"]).rpartition("_")[0]

    @property
    def natural(self) -> bool:
        """Whether the skin's hue is one that real skin has."""
        return bool(np.degrees(np.arctan2(self.tone[2], self.tone[1])) >= LEAST_HUE)

    @property
    def ita(self) -> float:
        """Individual typology angle of the skin in degrees: the lighter the higher."""
        return typology_angle(self.tone)


def read_candidates(data: Path, ages: Mapping[str, float]) -> Iterator[Candidate]:
    """The identities of a data set of mosaics (``vera data mosaic --size 512``).

    Args:
        data: the data set's folder.
        ages: years of the donors, where known.

    Raises:
        VeraError: the records lack points, so that they were made by an older version.

    """
    for number, records in read_records(data).items():
        if len(records) != ROLES or "points" not in records[0]:
            raise VeraError(f"'{data}' holds no points or not two photographs of each identity: make the mosaics again (vera data mosaic)")
        image, labels, points = read_picture(data, records[0])
        look = measure(to_lab(image), labels, points)
        donors = (*records[0]["sources"], records[0]["surround"])
        known = [ages[name] for name in records[0]["sources"] if name in ages]
        age = float(np.mean(known)) if known else float("nan")
        yield Candidate(
            number,
            (records[0], records[1]),
            look.skin,
            beard_of(look),
            str(records[0]["sex"] or ""),
            age,
            donors,
            eyes_of(to_lab(image), points),
            data,
        )


def read_picture(data: Path, record: Mapping[str, Any]) -> tuple[npt.NDArray[np.uint8], Labels, Points]:
    """Image ``(S, S, 3)``, class numbers ``(S, S)`` and mesh ``(105, 2)`` of one mosaic."""
    image = np.asarray(Image.open(data / "images" / f"{record['name']}.jpg", formats=FORMATS).convert("RGB"))
    labels = np.asarray(Image.open(data / "masks" / f"{record['name']}.png", formats=FORMATS))
    return image, labels, np.asarray(record["points"], dtype=np.float64)


def beard_of(look: SkinLook) -> float:
    """Darkness of chin and upper lip against the cheeks, CIELAB lightness; 0 where they are not visible."""
    return float(np.nan_to_num(look.skin[0] - np.nanmin([look.chin[0], look.moustache[0], look.skin[0]])))


def eyes_of(lab: Floats, points: Points) -> float:
    """Lightness of the irises: CIELAB lightness less yellowness (b), median over both; brown eyes are low, blue eyes high.

    Args:
        lab: image in CIELAB, ``(S, S, 3)``.
        points: mesh in units of the side.

    """
    size = len(lab)
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    values = []
    for eye in EYES:
        corners = points[list(eye)]
        middle, width = corners[[1, 2, 4, 5]].mean(axis=0), float(np.linalg.norm(corners[3] - corners[0]))
        radius = np.hypot(x - middle[0], y - middle[1]) / width
        iris = (radius > IRIS[0]) & (radius < IRIS[1]) & filled(corners, size)
        if iris.any():
            values.append(float(np.median(lab[iris][:, 0] - lab[iris][:, 2])))
    return float(np.mean(values)) if values else 0.0


def even_choice(candidates: Sequence[Candidate], rows: int, bands: int) -> list[Candidate]:
    """Choose rows evenly over sex and skin tone.

    Each sex's candidates are sorted by skin tone (ITA) into bands of equal width between the 2 % and the 98 % quantile of all. One
    candidate is taken from each band in turn; where a band is empty, the others give more.

    Args:
        candidates: candidates in the order of preference.
        rows: number of rows to choose.
        bands: number of bands of skin tone.

    """
    angles = np.array([candidate.ita for candidate in candidates])
    low, high = (float(q) for q in np.quantile(angles, (0.02, 0.98)))
    borders = np.linspace(low, high, bands + 1)[1:-1]
    sexes = sorted({candidate.sex for candidate in candidates})
    heaps: dict[tuple[str, int], list[Candidate]] = {(sex, band): [] for sex in sexes for band in range(bands)}
    for candidate, angle in zip(candidates, angles, strict=True):
        heaps[candidate.sex, int(np.searchsorted(borders, angle))].append(candidate)
    chosen: list[Candidate] = []
    while len(chosen) < rows and any(heaps.values()):
        for heap in heaps.values():  # darkest band first
            if heap and len(chosen) < rows:
                chosen.append(heap.pop(0))
    return sorted(chosen, key=lambda candidate: candidate.number)


def build_bank(
    chosen: Sequence[Candidate], *, recogniser: str, sex_head: npt.NDArray[np.float64], age_head: npt.NDArray[np.float64]
) -> ExemplarBank:
    """Encode the chosen rows.

    Args:
        chosen: the rows, in order.
        recogniser: name of the recogniser whose embeddings the heads read.
        sex_head: ``(groups, D + 1)``, groups in alphabetical order.
        age_head: linear head for age, ``(D + 1,)``, applied to an embedding and 1.

    """
    donors = sorted({name for candidate in chosen for name in candidate.donors})
    sexes = sorted({candidate.sex for candidate in chosen})
    pictures, segmentations, meshes = [], [], []
    size = 0
    for candidate in chosen:
        for record in candidate.records:
            image, labels, points = read_picture(candidate.folder, record)
            size = len(image)
            points = hairline(points, labels, BARE_FACE)
            pictures.append(_jpeg(face_only(image, labels, points)))
            segmentations.append(_png(labels, SEGMENTATION_SIZE))
            meshes.append(points)
    bank = ExemplarBank(
        rows=len(chosen),
        size=size,
        picture_bytes=sum(map(len, pictures)),
        segmentation_bytes=sum(map(len, segmentations)),
        donors=donors,
        donors_each=len(chosen[0].donors),
        sexes=sexes,
        recogniser=recogniser,
        embedding=len(age_head) - 1,
        quality=QUALITY,
    )
    ages = np.array([candidate.age for candidate in chosen])
    values: dict[str, npt.NDArray[Any]] = {
        "pictures": np.frombuffer(b"".join(pictures), np.uint8).copy(),
        "picture_ends": np.cumsum([len(p) for p in pictures]).reshape(-1, ROLES),
        "segmentations": np.frombuffer(b"".join(segmentations), np.uint8).copy(),
        "segmentation_ends": np.cumsum([len(s) for s in segmentations]).reshape(-1, ROLES),
        "points": np.array(meshes).reshape(-1, ROLES, 105, 2),
        "sex": np.array([sexes.index(candidate.sex) for candidate in chosen]),
        "tone": np.array([candidate.tone for candidate in chosen]),
        "age": np.where(np.isfinite(ages), ages, np.nanmean(ages)),
        "beard": np.array([candidate.beard for candidate in chosen]),
        "eyes": np.array([candidate.eyes for candidate in chosen]),
        "made_of": np.array([[donors.index(name) for name in candidate.donors] for candidate in chosen]),
        "sex_head": sex_head,
        "age_head": age_head,
    }
    state = bank.state_dict()
    bank.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)).to(state[name]) for name, value in values.items()})
    return bank


def face_only(image: npt.NDArray[np.uint8], labels: Labels, points: Points) -> npt.NDArray[np.uint8]:
    """Extend a mosaic's facial skin over everything that surrounds the face.

    Args:
        image: image of the mosaic, ``(S, S, 3)`` uint8.
        labels: ``(S, S)`` class numbers.
        points: ``(105, 2)`` in units of the side.

    """
    size = len(labels)
    centre = points[27:31].mean(axis=0)
    face = np.isin(labels, BARE_FACE) & filled(scaled(points[OUTLINE], 1.12, centre), size)
    width = max(1, round(EDGE * size))
    hair = cv2.dilate((labels == Semantic.HAIR).astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3 * width, 3 * width))) > 0
    near_brows = filled(scaled(points[17:48], 1.25), size)
    good = (cv2.erode(face.astype(np.uint8), np.ones((width, width), np.uint8)) > 0) & (~hair | near_brows)
    # Only skin is carried on: a smear of lips or brows would not be skin.
    skin = good & np.isin(labels, FACE_SKIN)
    small = (size // COARSE, size // COARSE)
    share = np.asarray(cv2.resize(skin.astype(np.float32), small, interpolation=cv2.INTER_AREA), np.float32)
    summed = np.asarray(cv2.resize(image * skin[..., None].astype(np.float32), small, interpolation=cv2.INTER_AREA), np.float32)
    carried = _carried_on((summed / np.maximum(share, 1e-6)[..., None]).astype(np.float32), np.asarray(share > 0.5))
    filling = cv2.resize(carried, (size, size), interpolation=cv2.INTER_LINEAR)
    soft = (cv2.GaussianBlur(good.astype(np.float32), (0, 0), SPREADS[0] * size) * good)[..., None]
    return np.asarray((soft * image + (1 - soft) * filling).clip(0, 255).round(), dtype=np.uint8)


def _carried_on(image: Floats, good: npt.NDArray[np.bool_]) -> Floats:
    """Colours of good pixels continued into all others: normalised Gaussian averages, wider where nothing is near."""
    size = len(good)
    weight = good.astype(np.float32)
    result = np.zeros_like(image)
    known = np.zeros(good.shape, dtype=bool)
    for spread in SPREADS:
        share = cv2.GaussianBlur(weight, (0, 0), spread * size)
        new = (share > 0.05) & ~known if spread != SPREADS[-1] else ~known
        blurred = cv2.GaussianBlur(image * weight[..., None], (0, 0), spread * size) / np.maximum(share, 1e-6)[..., None]
        result[new] = blurred[new]
        known |= new
    return np.asarray(cv2.GaussianBlur(result, (0, 0), 2 * SPREADS[0] * size), dtype=np.float32)


def _jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=QUALITY, subsampling=2, optimize=True)
    return buffer.getvalue()


def _png(labels: Labels, side: int) -> bytes:
    buffer = io.BytesIO()
    small = cv2.resize(labels, (side, side), interpolation=cv2.INTER_NEAREST)
    Image.fromarray(np.asarray(small, np.uint8)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
