"""Clips: all frames get one new face, and what is measured in each frame is smoothed over time, so that this face does not tremble.

Landmarks follow a polynomial of low degree in a moving window (Savitzky and Golay), which keeps up with a moving head. What is measured
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
from scipy.signal import savgol_filter
from torch import Tensor

from vera.exemplars.fitting import Subject
from vera.exemplars.light import Light
from vera.exemplars.pose import Camera
from vera.exemplars.region import face_region
from vera.faces.detection import DetectedFace
from vera.types import VeraError

Item = TypeVar("Item")
Result = TypeVar("Result")
WINDOW, DEGREE = 9, 2
"""DECISION: frames and degree of the polynomial that landmarks follow: a third of a second, less than a nod takes."""
SPREAD = 2.0
"""DECISION: Gaussian width, in frames, of what is averaged in the aligned crop."""
KEYS = 3
"""DECISION: frames in which the search for a different face looks at its candidates; the verification looks at every frame."""


def steady_faces(faces: Sequence[DetectedFace]) -> list[DetectedFace]:
    """The faces of consecutive frames with landmarks that are smooth in time.

    Args:
        faces: the one face of each frame, in the order of time; with too few frames they stay as they are.

    """
    window = min(WINDOW, len(faces) - 1 + len(faces) % 2)
    if window <= DEGREE:
        return list(faces)
    smooth = savgol_filter(np.stack([face.landmarks for face in faces]), window, DEGREE, axis=0, mode="interp")
    return [replace(face, landmarks=landmarks) for face, landmarks in zip(faces, smooth, strict=True)]


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
    """Measurements of consecutive frames, averaged over time; complexion, beard and toning are one for the whole clip.

    Args:
        subjects: what is known of the face in each frame, in the order of time.

    """
    points = _averaged(np.stack([subject.points for subject in subjects]))
    smiles = _averaged(np.array([subject.smile for subject in subjects]))
    cameras = [Camera(*parts) for parts in _averaged_parts([subject.camera for subject in subjects])]
    lights = [Light(*parts) for parts in _averaged_parts([subject.light for subject in subjects])]
    tonings = [subject.toning for subject in subjects if subject.toning is not None]
    common: dict[str, Any] = {
        "tone": np.mean([subject.tone for subject in subjects], axis=0),
        "beard": float(np.mean([subject.beard for subject in subjects])),
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
        frames: what it is called with.
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


def _averaged(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(gaussian_filter1d(values, SPREAD, axis=0, mode="nearest"))
