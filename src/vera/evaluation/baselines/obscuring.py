"""The classical baselines: blur, pixelation, and a cover of one colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vera.evaluation.baselines.region import Baseline, BaselineScene
from vera.faces.detection import Detector
from vera.faces.obscuring import blurred, box, covered, pixelated
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
        return blurred(scene.photograph.pixels, scene.region, sigma=self.width * scene.unit)


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
        columns = box(scene.region)[1]
        side = max(1, -(-(columns.stop - columns.start) // self.blocks))
        return pixelated(scene.photograph.pixels, scene.region, side=side)


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
        return covered(scene.photograph.pixels, scene.region, colour=self.colour)
