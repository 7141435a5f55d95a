"""Clips: all frames get one new face, and what is measured in each frame is smoothed over time, so that this face does not tremble.

The motion of the head is taken from all landmarks of a frame, and stays as it is. What is left, the shape of the face, and what is measured
in the aligned crop, where the head stands still, is averaged by a Gaussian over time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from vera.exemplars.fitting import Subject, mean_hair
from vera.exemplars.light import Light
from vera.exemplars.pose import Camera
from vera.exemplars.region import face_region
from vera.faces.detection import DetectedFace
from vera.types import VeraError

Complex = npt.NDArray[np.complex128]
"""Places as x + iy, so that a similarity is one product and one sum: ``(N, 68)`` or ``(68,)``."""
Item = TypeVar("Item")
Result = TypeVar("Result")
SPREAD = 2.0
"""DECISION: Gaussian width, in frames, of the average over time: a blink is seen, a landmark's error is not."""
PASSES = 3
"""Rounds in which the frames are laid over their mean shape."""
KEYS = 3
"""DECISION: frames in which the search for a different face looks at its candidates; the verification looks at every frame."""


def steady_faces(faces: Sequence[DetectedFace]) -> list[DetectedFace]:
    """The faces of consecutive frames with landmarks that do not tremble.

    The head's motion, a similarity that all 68 landmarks share, stays as it is, however fast; the shape that is left is averaged over time.

    Args:
        faces: the one face of each frame, in the order of time.

    """
    places = np.stack([face.landmarks[:, 0] + 1j * face.landmarks[:, 1] for face in faces])
    mean = places[0]
    for _ in range(PASSES):
        turn, shift = _similarities(mean, places)
        shapes = (places - shift) / turn
        mean = shapes.mean(axis=0)
    smooth = turn * (_averaged(shapes.real) + 1j * _averaged(shapes.imag)) + shift
    return [replace(face, landmarks=np.column_stack([place.real, place.imag])) for face, place in zip(faces, smooth, strict=True)]


def steady_parses(parses: Sequence[Tensor]) -> list[Tensor]:
    """Class probabilities of consecutive aligned frames, averaged over time.

    Args:
        parses: ``(K, S, S)`` of each frame, in the order of time.

    """
    stack = torch.stack(list(parses)).numpy()
    for number in range(stack.shape[1]):  # class by class, since all together are large
        stack[:, number] = _averaged(stack[:, number])
    return list(torch.from_numpy(stack))


def steady_subjects(subjects: Sequence[Subject]) -> list[Subject]:
    """Measurements of consecutive frames, averaged over time; complexion, beard, hair, whites and toning are one for the whole clip.

    Args:
        subjects: measurements of the face in each frame, in the order of time.

    """
    points = _averaged(np.stack([subject.points for subject in subjects]))
    smiles = _averaged(np.array([subject.smile for subject in subjects]))
    cameras = [Camera(*parts) for parts in _averaged_parts([subject.camera for subject in subjects])]
    lights = [Light(*parts) for parts in _averaged_parts([subject.light for subject in subjects])]
    tonings = [subject.toning for subject in subjects if subject.toning is not None]
    common: dict[str, Any] = {
        "tone": np.mean([subject.tone for subject in subjects], axis=0),
        "beard": float(np.mean([subject.beard for subject in subjects])),
        "hair": mean_hair(subjects),
        "whites": np.ma.masked_invalid([subject.whites for subject in subjects]).mean(axis=0).filled(np.nan),  # shut eyes have none
        "toning": np.mean(tonings, axis=0) if len(tonings) > len(subjects) / 2 else None,
    }
    return [
        replace(
            subject,
            points=points[number],
            camera=cameras[number],
            smile=float(smiles[number]),
            light=lights[number],
            region=face_region(points[number], subject.labels),
            **common,
        )
        for number, subject in enumerate(subjects)
    ]


def key_frames(count: int) -> list[int]:
    """Numbers of the frames that the search looks at, from 0: the first, the last and those between, evenly."""
    return sorted({int(number) for number in np.linspace(0, count - 1, KEYS).round()})


def each_frame(do: Callable[[Item], Result], frames: Sequence[Item], *, clip: bool) -> list[Result]:
    """Call a function for each frame of a clip, and name all frames that it cannot use.

    Args:
        do: function of one frame.
        frames: items that it is called with, one a frame.
        clip: False: these are single photographs, and the first error is raised as it is.

    Raises:
        VeraError: frames that cannot be used; one sentence names them all and says what is wrong with the first.

    """
    results, faults = list[Result](), dict[int, VeraError]()
    for number, frame in enumerate(frames, 1):
        try:
            results.append(do(frame))
        except VeraError as error:
            if not clip:
                raise
            faults[number] = error
    if faults:
        raise VeraError(f"{len(faults)} of {len(frames)} frames can't be used ({numbered(list(faults))}): {next(iter(faults.values()))}")
    return results


def numbered(frames: Sequence[int]) -> str:
    """Numbers of frames in words.

    Args:
        frames: numbers in rising order, not empty.

    Examples:
        >>> from vera.anonymization.clip import numbered
        >>> numbered([3, 4, 5, 9])
        '3 to 5, 9'

    """
    starts = [frames[0], *(after for before, after in pairwise(frames) if after != before + 1)]
    ends = [*(before for before, after in pairwise(frames) if after != before + 1), frames[-1]]
    return ", ".join(str(start) if start == end else f"{start} to {end}" for start, end in zip(starts, ends, strict=True))


def told_once(warnings: Sequence[str], names: Sequence[str]) -> list[str]:
    """Warnings of a clip's frames: one that several frames have is told once, with their numbers.

    Args:
        warnings: sentences that begin with the name of a frame and a colon, and others, which stay.
        names: names of all frames, in the order of time.

    """
    frames: dict[str, list[int]] = {}
    for warning in warnings:
        name, _, what = warning.partition(": ")
        frames.setdefault(what if name in names else warning, []).extend([names.index(name) + 1] if name in names else [])
    return [f"frames {numbered(sorted(set(found)))}: {what}" if found else what for what, found in frames.items()]


def _averaged_parts(measured: Sequence[Camera | Light]) -> list[tuple[Any, ...]]:
    """The fields of each frame's measurement, averaged over time."""
    parts = zip(*(vars(one).values() for one in measured), strict=True)
    return list(zip(*(_averaged(np.stack(part)) for part in parts), strict=True))


def _similarities(mean: Complex, places: Complex) -> tuple[Complex, Complex]:
    """The similarities that lay a shape over each frame's landmarks best: ``turn * mean + shift``, ``(N, 1)`` each."""
    middle = places.mean(axis=1, keepdims=True)
    still = mean - mean.mean()
    turn = ((places - middle) @ still.conj() / (np.abs(still) ** 2).sum())[:, None]
    return turn, middle - turn * mean.mean()


def _averaged(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(gaussian_filter1d(values, SPREAD, axis=0, mode="nearest"))
