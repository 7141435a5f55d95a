"""Prepare photographs of consenting people once: alignment with a margin, points, segmentation and embedding.

What was prepared is kept on disk (``NAME.png``, ``NAME.labels.png``, ``NAME.json``) and used again. ``NAME.labels.png`` may be corrected by
hand, in class numbers: every mosaic that the photograph goes into is then correct. The folder shows real people: it is not for passing on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image

from vera.faces.alignment import ffhq_similarity, resample, transform
from vera.faces.detection import Detector
from vera.faces.formats import DECODE_ERRORS, FORMATS
from vera.faces.parsing import Parser
from vera.faces.photograph import read_photograph, write_labels, write_png
from vera.faces.recognition import Embedding, Recogniser
from vera.files import write_whole
from vera.mosaic.colour import to_lab
from vera.mosaic.masks import Labels, refined
from vera.mosaic.points import MARGIN, extend
from vera.types import NUM_CLASSES, AlignedFace, Photograph, Pixels, Points, VeraError
from vera.untrusted import field, read_json

DENSITY = 1.5
"""DECISION: sources keep this many pixels for each of the mosaic's: a warp samples them once and stays sharp."""
VERSION = 1
"""Version of the preparation; files of another version are prepared anew."""


@dataclass(frozen=True)
class Source:
    """One prepared photograph.

    Attributes:
        person: id of the person.
        role: role of the photograph.
        image: ``(A, A, 3)`` of the frame: the FFHQ crop with its margin.
        labels: numbers of the classes, ``(A, A)``.
        points: ``(105, 2)`` in units of the crop.
        embedding: embedding of the photograph.

    """

    person: str
    role: str
    image: Pixels
    labels: Labels
    points: Points
    embedding: Embedding

    @property
    def name(self) -> str:
        """Stem of its files."""
        return f"{self.person}_{self.role}"


def frame_side(size: int) -> int:
    """Side A of the frame for mosaics of this size."""
    return 2 * round(size * DENSITY * (1 + 2 * MARGIN) / 2)


class Instruments(NamedTuple):
    """Detector, parser and recogniser that a photograph is prepared with."""

    detector: Detector
    parser: Parser
    recogniser: Recogniser


def prepare(photograph: Photograph, person: str, role: str, *, size: int, instruments: Instruments) -> Source:
    """Align a photograph, segment it and embed its face.

    Args:
        photograph: photograph with one frontal face.
        person: id of the person on it.
        role: role of the photograph, such as ``neutral``.
        size: side in pixels of the mosaics that it is prepared for.
        instruments: detector, parser and recogniser that look at it.

    Raises:
        VeraError: no face, or several.

    """
    faces = instruments.detector.detect(photograph)
    if len(faces) != 1:
        raise VeraError(f"{len(faces)} faces found in the photograph of '{person}', {role}: a source shows one face, from the front")
    landmarks, side = faces[0].landmarks, frame_side(size)
    grow = (1 + 2 * MARGIN) / side
    crop = ffhq_similarity(landmarks, 1)
    to_frame = np.array([[grow, 0, 0.5 * grow - MARGIN - 0.5], [0, grow, 0.5 * grow - MARGIN - 0.5], [0, 0, 1]])
    similarity = crop @ to_frame
    pixels = resample(photograph.pixels, similarity, side, cubic=True).clip(0, 255).round().astype(np.uint8)
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 127.5 - 1
    face = AlignedFace(image=image, to_photograph=similarity, landmarks=landmarks)
    points = extend((transform(landmarks, face.from_photograph) + 0.5) * grow - MARGIN)
    labels = refined(instruments.parser.parse(face).argmax(dim=0).numpy().astype(np.uint8), to_lab(pixels), points)
    return Source(person, role, pixels, labels, points, instruments.recogniser.embed(photograph.pixels, landmarks))


def prepare_file(path: Path, folder: Path, person: str, role: str, *, size: int, instruments: Instruments) -> None:
    """Prepare a photograph and keep the result in a folder, unless it is there already."""
    photograph = read_photograph(path)
    made = {"version": VERSION, "photograph": photograph.digest, "side": frame_side(size), "recogniser": instruments.recogniser.name}
    record = folder / f"{person}_{role}.json"
    if record.is_file():
        there = read_json(record, what=f"'{record}'")
        if isinstance(there, dict) and all(there.get(name) == value for name, value in made.items()):
            return
    source = prepare(photograph, person, role, size=size, instruments=instruments)
    write_png(folder / f"{source.name}.png", source.image)
    write_labels(folder / f"{source.name}.labels.png", source.labels)
    made |= {"points": source.points.tolist(), "embedding": source.embedding.tolist()}
    write_whole(record, json.dumps(made).encode())  # last: it says that the others are there


def read_source(folder: Path, person: str, role: str) -> Source:
    """Read a prepared photograph.

    Raises:
        VeraError: its files are damaged, or the labels were saved with another size or as colours.

    """
    stem = folder / f"{person}_{role}"
    again = f"remove the three files of '{stem}', they are made anew"
    record = read_json(stem.with_name(stem.name + ".json"), what=f"'{stem}.json'")
    try:
        image = np.asarray(Image.open(stem.with_name(stem.name + ".png"), formats=FORMATS).convert("RGB"))
        mask = Image.open(stem.with_name(stem.name + ".labels.png"), formats=FORMATS)
        labels = np.asarray(mask)
        points, embedding = (np.array(field(record, name, list, what=f"'{stem}.json'"), dtype=float) for name in ("points", "embedding"))
    except DECODE_ERRORS as error:
        raise VeraError(f"the prepared '{stem}.png' cannot be read ({error}): {again}") from error
    if points.ndim != 2 or points.shape[1] != 2 or embedding.ndim != 1:
        raise VeraError(f"'{stem}.json' holds no points and embedding of a face: {again}")
    if mask.mode not in ("L", "P") or labels.shape != image.shape[:2] or labels.max() >= NUM_CLASSES:
        raise VeraError(f"'{stem}.labels.png' must hold one channel of class numbers below {NUM_CLASSES}, as large as '{stem}.png'")
    return Source(person, role, image, labels.astype(np.uint8), points, embedding)


def flipped(source: Source) -> tuple[Pixels, Labels]:
    """Image and labels of the mirrored photograph."""
    return np.asarray(cv2.flip(source.image, 1), np.uint8), np.asarray(cv2.flip(source.labels, 1), np.uint8)
