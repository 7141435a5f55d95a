"""Renderers without a new face: a cover, a blur, or blocks of mean colour, for publications that forbid generated pictures.

The regions, the preserved pixels and the verification are those of every renderer; only that no new face is looked for in the output.
Nothing is drawn: there is no bundle, no seed, no identity, and a single attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vera.anonymization.placement import eye_distance
from vera.anonymization.renderer import Request, SavedIdentity
from vera.anonymization.request import Options
from vera.anonymization.scene import Scene
from vera.faces.marking import ALTERED_BY_ALGORITHM
from vera.faces.obscuring import blurred, covered, pixelated
from vera.types import Anonymized, Pixels, VeraError

METHODS = ("cover", "blur", "pixelate")
BLUR = 0.5
"""DECISION: standard deviation of the blur in eye distances: eyes, nose and mouth run into each other. At half of it a recogniser still
matched one output in seven (experiments/baselines, commit d9225ae)."""
BLOCK = 0.5
"""DECISION: side of a block in eye distances: about five across a face, some thirty colours in all."""


class NoFace:
    """The identity of a method that draws none."""

    seed = 0

    def require_bundle(self, digest: str) -> None:
        """Raise a VeraError: no bundle can have made it."""
        raise VeraError("a method without a new face has no identity: leave it out")

    def save(self, path: str | Path) -> None:
        """Raise a VeraError: there is no face to keep."""
        raise VeraError("a method without a new face has no identity that could be saved: leave --save-identity out")

    def facts(self) -> dict[str, Any]:
        """No facts: no identity was drawn."""
        return {}


class ObscuringRenderer:
    """Hides the replaced region; implements :class:`vera.anonymization.renderer.Renderer`.

    Args:
        method: way of hiding, one of :data:`METHODS`.

    Raises:
        VeraError: an unknown method.

    """

    source_type = ALTERED_BY_ALGORITHM
    info = None

    def __init__(self, method: str) -> None:
        if method not in METHODS:
            raise VeraError(f"unknown method '{method}': choose from {', '.join(METHODS)}")
        self.name = method

    def check(self, options: Options) -> None:
        """Raise a VeraError for options that only a drawn face can meet."""
        for name, value in (("seed", options.seed), ("kind", options.kind)):
            if value is not None:
                raise VeraError(f"--{name}: the method {self.name} draws no new face, leave it out")

    def open(self, request: Request) -> ObscuringCase:
        """Take a person's photographs; none is refused."""
        return ObscuringCase(self.name, request.scenes)


class ObscuringCase:
    """One person's photographs.

    Args:
        method: way of hiding, one of :data:`METHODS`.
        scenes: the photographs with their regions.

    """

    warnings: Sequence[str] = ()

    def __init__(self, method: str, scenes: Sequence[Scene]) -> None:
        self.method, self.scenes = method, scenes

    def identity(self, attempt: int) -> NoFace:
        """No face, in every attempt."""
        return NoFace()

    def render(self, identity: SavedIdentity) -> list[Anonymized]:
        """The photographs with their replaced regions hidden."""
        outputs = []
        for scene in self.scenes:
            pixels = scene.photograph.pixels.copy()
            pixels[scene.replaced] = self._hidden(scene)[scene.replaced]
            outputs.append(Anonymized(scene.photograph.name, pixels, scene.preserved, scene.replaced))
        return outputs

    def facts(self) -> dict[str, Any]:
        """The method and its strength in eye distances; nothing was searched."""
        strength = {"cover": ("colour", "black"), "blur": ("width", BLUR), "pixelate": ("block", BLOCK)}
        return {"candidates": 1, "method": dict([("name", self.method), strength[self.method]])}

    def _hidden(self, scene: Scene) -> Pixels:
        pixels, unit = scene.photograph.pixels, eye_distance(scene.face)
        if self.method == "blur":
            return blurred(pixels, scene.replaced, sigma=BLUR * unit)
        if self.method == "pixelate":
            return pixelated(pixels, scene.replaced, side=max(1, round(BLOCK * unit)))
        return covered(pixels, scene.replaced, colour="black")
