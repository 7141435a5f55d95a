"""Data augmentation of training faces (light, backgrounds, small poses) that the generator may learn to draw.

Unlike the discriminator's augmentation (:mod:`vera.generator.augmentation`), which the generator must not imitate. Mirroring is the
stream's (:class:`vera.data.stream.Stream`). One sample's augmentation is a pure function of a row of uniform numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vera.data.sample import Sample
from vera.types import BARE_FACE, Semantic, VeraError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

GAMMA = 2.2
"""Light adds up in linear units; this is near enough to sRGB's curve."""
FOCAL = 2.5
"""DECISION: distance of the camera that turns, in sides of the crop."""
AMBIENT = 0.35
"""DECISION: least share of its light that a side turned away from the lamp keeps."""


class Augment:
    """Changes a sample and its labels.

    Every kind of change is made with its own ``probability``; its amount is uniform in ± the given range.

    Args:
        probability: probability of each kind of change, in [0, 1].
        temperature: warm or cold light: the logarithm (base 2) by which red gains over blue.
        exposure: logarithm (base 2) of brightness.
        shading: contrast of a lamp from one side, on the person only: 0 none, 1 a face half in the dark.
        background: share of another background over the own one: 0 not at all, 1 wholly.
        rotation: degrees in the image plane.
        turn: degrees by which the camera goes round the face, left or right, and up or down by half as much.

    Raises:
        VeraError: for a probability or a range that makes no sense.

    """

    numbers = 19
    """Uniform numbers that one sample needs, whichever changes are made."""

    def __init__(
        self,
        *,
        probability: float,
        temperature: float,
        exposure: float,
        shading: float,
        background: float,
        rotation: float,
        turn: float,
    ) -> None:
        for name, value, most in (
            ("probability", probability, 1), ("temperature", temperature, 2), ("exposure", exposure, 2), ("shading", shading, 1),
            ("background", background, 1), ("rotation", rotation, 45), ("turn", turn, 30),
        ):  # fmt: skip
            if not 0 <= value <= most:
                raise VeraError(f"data.augment.{name}={value}: choose a value from 0 to {most}")
        self.probability, self.temperature, self.exposure = probability, temperature, exposure
        self.shading, self.background, self.rotation, self.turn = shading, background, rotation, turn

    def __call__(self, sample: Sample, uniform: npt.NDArray[np.float64]) -> Sample:
        """Augment one sample.

        Args:
            sample: the face to change, see :class:`Sample`.
            uniform: ``(numbers,)`` in [0, 1): see :func:`draws`.

        Raises:
            VeraError: for another number of uniform numbers.

        """
        if uniform.shape != (self.numbers,):
            raise VeraError(f"augmentation needs {self.numbers} uniform numbers, not {uniform.shape}")
        image = np.ascontiguousarray(sample["image"].permute(1, 2, 0).numpy())
        labels = np.ascontiguousarray(sample["labels"].numpy())
        numbers = _AugmentNumbers(uniform, self.probability)
        light: Floats = np.power(image.astype(np.float32) / 255, GAMMA, dtype=np.float32)
        light = _other_background(light, labels, numbers, self.background)
        light = _lamp(light, labels, numbers, self.shading)
        light = _camera(light, numbers, self.temperature, self.exposure)
        seen = (light.clip(0, 1) ** np.float32(1 / GAMMA) * 255).round().astype(np.uint8) if numbers.any else image
        seen, labels = _pose(seen, labels, numbers, self.rotation, self.turn)
        return Sample(image=torch.from_numpy(np.ascontiguousarray(seen)).permute(2, 0, 1).contiguous(), labels=torch.from_numpy(labels))


class _AugmentNumbers:
    """Hands out uniform numbers in a fixed order: each kind of change takes its share, made or not.

    ``any``: whether a change was made so far.
    """

    def __init__(self, uniform: npt.NDArray[np.float64], probability: float) -> None:
        self._numbers: Iterator[float] = iter(uniform.tolist())
        self.probability, self.any = probability, False

    def made(self, amount: float) -> bool:
        """Whether the next kind of change is made."""
        now = next(self._numbers) < self.probability and amount > 0
        self.any |= now
        return now

    def within(self, amount: float) -> float:
        """Uniform in ± amount."""
        return (2 * next(self._numbers) - 1) * amount

    def upto(self, amount: float) -> float:
        """Uniform from 0 to the amount."""
        return next(self._numbers) * amount

    def colour(self) -> Floats:
        """A colour of walls and cloths: any lightness, little saturation; linear light, ``(3,)``."""
        level = 0.02 + 0.9 * self.upto(1) ** 2
        tint = self.within(0.25)
        return np.array([1 + tint, 1, 1 - tint], np.float32) * np.float32(level)


def _other_background(light: Floats, labels: Labels, numbers: _AugmentNumbers, amount: float) -> Floats:
    """Multiply the background by what turns its own colour into another gradient: fine hair before it stays hair."""
    made, first, second, angle = numbers.made(amount), numbers.colour(), numbers.colour(), numbers.within(np.pi)
    behind = labels == Semantic.BACKGROUND
    if not made or not behind.any():
        return light
    side = len(labels)
    y, x = (np.mgrid[:side, :side].astype(np.float32) / side) - 0.5
    share = np.clip(x * np.cos(angle) + y * np.sin(angle) + 0.5, 0, 1)[..., None].astype(np.float32)
    wanted = (1 - share) * first + share * second
    weight = behind.astype(np.float32)
    near = cv2.GaussianBlur(weight, (0, 0), side / 12)[..., None]
    own = cv2.GaussianBlur(light * weight[..., None], (0, 0), side / 12) / np.maximum(near, 1e-3)
    ratio = np.where(near > 1e-3, np.minimum(wanted / np.maximum(own, 0.02), 4), 1)
    edge = cv2.dilate(weight, np.ones((3, 3), np.uint8))  # its pixels hold some of the old background
    alpha = np.float32(amount) * cv2.GaussianBlur(edge, (0, 0), max(side / 300, 0.3))[..., None]
    return np.asarray(light * (1 - alpha + alpha * ratio), dtype=np.float32)


def _lamp(light: Floats, labels: Labels, numbers: _AugmentNumbers, amount: float) -> Floats:
    """A lamp from one side: Lambert's law on an ellipsoid in the place of the head, on everything that is not background."""
    made, strength, angle, height = numbers.made(amount), numbers.upto(amount), numbers.within(np.pi), numbers.upto(0.3)
    face = np.isin(labels, BARE_FACE)
    if not made or not face.any():
        return light
    side = len(labels)
    rows, columns = np.nonzero(face)
    centre = np.array([columns.mean(), rows.mean()])
    radius = np.maximum(1.25 * np.array([np.ptp(columns) / 2, np.ptp(rows) / 2]), 1)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    nx, ny = (x - centre[0]) / radius[0], (y - centre[1]) / radius[1]
    length = np.maximum(np.hypot(nx, ny), 1e-6)
    bounded = np.minimum(length, 0.98) / length
    nx, ny = nx * bounded, ny * bounded
    nz = np.sqrt(1 - nx**2 - ny**2)
    front = 0.3 + height  # the lamp's direction: how far it stands before the face, the rest at its side
    across = np.sqrt(1 - front**2)
    lambert = np.maximum(nx * np.cos(angle) * across + ny * np.sin(angle) * across + nz * front, 0)
    shade = AMBIENT + (1 - AMBIENT) * lambert / max(float(lambert[face].mean()), 1e-3)
    person = cv2.GaussianBlur((labels != Semantic.BACKGROUND).astype(np.float32), (0, 0), max(side / 200, 0.3))
    field = 1 + strength * person * (shade - 1)
    return np.asarray(light * field[..., None], dtype=np.float32)


def _camera(light: Floats, numbers: _AugmentNumbers, temperature: float, exposure: float) -> Floats:
    """White balance and exposure: gains of linear light."""
    warm = numbers.within(temperature) if numbers.made(temperature) else numbers.within(0)
    bright = numbers.within(exposure) if numbers.made(exposure) else numbers.within(0)
    gain = np.exp2(np.array([warm / 2, 0, -warm / 2]) + bright).astype(np.float32)
    return np.asarray(light * gain, dtype=np.float32)


def _pose(image: Labels, labels: Labels, numbers: _AugmentNumbers, rotation: float, turn: float) -> tuple[Labels, Labels]:
    """Rotate in the plane, and let the camera go a little round the face; what enters the frame is mirrored, in both alike."""
    made, angle = numbers.made(rotation), np.deg2rad(numbers.within(rotation))
    turned, yaw, pitch = numbers.made(turn), np.deg2rad(numbers.within(turn)), np.deg2rad(numbers.within(turn / 2))
    if not made and not turned:
        return image, labels
    roll = _axis(2, angle if made else 0.0)
    space = (_axis(1, yaw) @ _axis(0, pitch) @ roll) if turned else roll
    side = len(labels)
    half = (side - 1) / 2
    # The face lies in the plane z = 0, the camera FOCAL sides in front of it.
    plane = np.array([[1, 0, -half], [0, 1, -half], [0, 0, side]]) / side
    seen = np.column_stack([space[:, 0], space[:, 1], [0, 0, FOCAL]])
    project = np.array([[FOCAL * side, 0, half], [0, FOCAL * side, half], [0, 0, 1]])
    homography = project @ seen @ plane
    flags = cv2.BORDER_REFLECT_101
    moved = cv2.warpPerspective(image, homography, (side, side), flags=cv2.INTER_LINEAR, borderMode=flags)
    where = cv2.warpPerspective(labels, homography, (side, side), flags=cv2.INTER_NEAREST, borderMode=flags)
    return np.asarray(moved, np.uint8), np.asarray(where, np.uint8)


def _axis(axis: int, angle: float) -> npt.NDArray[np.float64]:
    """Rotation about an axis of space, ``(3, 3)``."""
    a, b = (i for i in range(3) if i != axis)
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix
