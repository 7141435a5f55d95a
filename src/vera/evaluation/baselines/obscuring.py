"""The classical baselines: blur, pixelation, and a cover of one colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from vera.evaluation.baselines.region import Baseline, BaselineScene
from vera.faces.detection import Detector
from vera.faces.parsing import Parser
from vera.types import Mask, Pixels, Semantic, VeraError


class _Obscuring(Baseline):
    """A baseline that looks at one photograph at a time."""

    def _paint(self, scenes: Sequence[BaselineScene], person: str) -> list[tuple[Pixels, Mask]]:
        return [(self._obscure(scene), np.ones(scene.photograph.size, dtype=bool)) for scene in scenes]

    def _obscure(self, scene: BaselineScene) -> Pixels:
        raise NotImplementedError


class Blur(_Obscuring):
    """Gaussian blur.

    Args:
        detector: face detector with 68 landmarks.
        width: the Gaussian's standard deviation, in eye distances.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    """

    name = "blur"

    def __init__(self, detector: Detector, *, width: float, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if not width > 0:
            raise VeraError(f"a blur needs a positive width in eye distances, this is {width}")
        self.width = width

    def _parameters(self) -> dict[str, Any]:
        return {"width": self.width}

    def _obscure(self, scene: BaselineScene) -> Pixels:
        sigma = max(self.width * scene.unit, 0.5)
        rows, columns = _box(scene.region, margin=round(4 * sigma))
        part = cv2.GaussianBlur(scene.photograph.pixels[rows, columns], (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        return _placed(part, rows, columns, scene)


class Pixelate(_Obscuring):
    """Square blocks of their mean colour.

    Args:
        detector: face detector with 68 landmarks.
        blocks: across the width of the region.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    """

    name = "pixelate"

    def __init__(self, detector: Detector, *, blocks: int, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if blocks < 1:
            raise VeraError(f"pixelation needs at least one block, these are {blocks}")
        self.blocks = blocks

    def _parameters(self) -> dict[str, Any]:
        return {"blocks": self.blocks}

    def _obscure(self, scene: BaselineScene) -> Pixels:
        rows, columns = _box(scene.region, margin=0)
        part = scene.photograph.pixels[rows, columns]
        side = max(1, -(-part.shape[1] // self.blocks))
        whole = cv2.copyMakeBorder(part, 0, -part.shape[0] % side, 0, -part.shape[1] % side, cv2.BORDER_REFLECT)
        means = cv2.resize(whole, (whole.shape[1] // side, whole.shape[0] // side), interpolation=cv2.INTER_AREA)
        blocks = means.repeat(side, axis=0).repeat(side, axis=1)
        return _placed(blocks[: part.shape[0], : part.shape[1]], rows, columns, scene)


class Cover(_Obscuring):
    """One colour over the face: the baseline that tables call "mask".

    Args:
        detector: face detector with 68 landmarks.
        colour: ``black``, or ``mean``: the region's own mean.
        preserve: classes kept bit for bit.
        parser: parser that finds the preserved classes; None where nothing is preserved.

    """

    name = "cover"

    def __init__(self, detector: Detector, *, colour: str, preserve: Sequence[Semantic] = (), parser: Parser | None = None) -> None:
        super().__init__(detector, preserve=preserve, parser=parser)
        if colour not in ("black", "mean"):
            raise VeraError(f"unknown colour '{colour}' of a cover: choose black or mean")
        self.colour = colour

    def _parameters(self) -> dict[str, Any]:
        return {"colour": self.colour}

    def _obscure(self, scene: BaselineScene) -> Pixels:
        pixels = scene.photograph.pixels
        if self.colour == "black" or not scene.region.any():
            return np.zeros_like(pixels)
        mean = pixels[scene.region].mean(axis=0).round().astype(np.uint8)
        return np.broadcast_to(mean, pixels.shape)


def _box(region: Mask, *, margin: int) -> tuple[slice, slice]:
    """Rows and columns around a region; empty slices for an empty one."""
    spans = []
    for axis, length in ((1, region.shape[0]), (0, region.shape[1])):
        seen = np.flatnonzero(region.any(axis=axis))
        spans.append(slice(max(int(seen[0]) - margin, 0), min(int(seen[-1]) + 1 + margin, length)) if len(seen) else slice(0, 1))
    return spans[0], spans[1]


def _placed(part: Any, rows: slice, columns: slice, scene: BaselineScene) -> Pixels:
    """A part, at its place in a photograph-sized image."""
    canvas = np.zeros_like(scene.photograph.pixels)
    canvas[rows, columns] = part
    return canvas
