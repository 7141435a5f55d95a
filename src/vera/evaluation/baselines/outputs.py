"""Read the outputs of another tool from a folder, to compare it in the same tables (docs/peers.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vera.data.people import existing
from vera.faces.masks import read_mask
from vera.faces.photograph import read_photograph
from vera.files import digest
from vera.types import Anonymized, AnonymizedPerson, Mask, Photograph, Pixels, Refused, VeraError

RATIO = 0.01
"""DECISION: largest relative difference in aspect ratio at which a picture may be scaled to its photograph's size."""


class Outputs:
    """An anonymizer (:class:`vera.types.Anonymizer`) whose results lie in a folder; a missing picture counts as refused.

    Args:
        root: folder of the outputs.
        pattern: path of an output under it, with ``{person}`` and ``{name}`` (the photograph's file name without its ending).
        preserved: path of the kept region's mask (white = kept), with the same placeholders; None: the tool claims to keep nothing.
        resize: scale pictures of another size but the same proportions to the photograph's; otherwise they are an error.

    Raises:
        VeraError: no such folder, or a pattern without ``{name}``.

    """

    name = "outputs"

    def __init__(
        self, root: str | Path, *, pattern: str = "{person}/{name}.png", preserved: str | None = None, resize: bool = False
    ) -> None:
        self.root, self.pattern, self.preserved, self.resize = existing(root), pattern, preserved, resize
        for text in (pattern, preserved):
            if text is not None and "{name}" not in text:
                raise VeraError(f"the pattern '{text}' has no {{name}}: say where an output lies, as {{person}}/{{name}}.png")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings and a digest of the folder's files: outputs that changed are evaluated again."""
        files = sorted((str(f.relative_to(self.root)), f.stat().st_size, digest(f)) for f in self.root.rglob("*") if f.is_file())
        settings = {"pattern": self.pattern, "preserved": self.preserved, "resize": self.resize}
        return settings | {"outputs": hashlib.sha256(repr(files).encode()).hexdigest()}

    def __call__(self, photographs: Sequence[Photograph], *, person: str, masks: Sequence[Mask | None] | None = None) -> AnonymizedPerson:
        """Read the outputs of one person's photographs; drawn ``masks`` are ignored, since the tool has done its work.

        Raises:
            Refused: the folder has no output of a photograph.
            VeraError: an output can't be read, or has another size.

        """
        results = [self._read(photograph, person) for photograph in photographs]
        return AnonymizedPerson(person, results, {"anonymizer": self.name, "config": {"pattern": self.pattern, "resize": self.resize}})

    def _read(self, photograph: Photograph, person: str) -> Anonymized:
        path = self._path(self.pattern, photograph, person)
        if not path.is_file():
            raise Refused(f"{photograph.name}: the folder has no output of this photograph")
        image = self._fitted(read_photograph(path).pixels, photograph)
        kept = np.zeros(photograph.size, dtype=bool)
        if self.preserved is not None:
            kept = read_mask(self._path(self.preserved, photograph, person), photograph.size)
        return Anonymized(photograph.name, image, kept, ~kept)

    def _path(self, pattern: str, photograph: Photograph, person: str) -> Path:
        path = self.root / pattern.replace("{person}", person).replace("{name}", photograph.name)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise VeraError(f"the output of '{photograph.name}' would lie outside the folder: rename the person or the photograph")
        return path

    def _fitted(self, pixels: Pixels, photograph: Photograph) -> Pixels:
        height, width = photograph.size
        if pixels.shape[:2] == (height, width):
            return pixels
        across, down = pixels.shape[1] / width, pixels.shape[0] / height
        if not self.resize or abs(across / down - 1) > RATIO:
            how = "its proportions differ" if self.resize else "resize=true scales it"
            raise VeraError(f"the output of '{photograph.name}' is {pixels.shape[1]} x {pixels.shape[0]}, not {width} x {height}: {how}")
        method = cv2.INTER_AREA if across > 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), dtype=np.uint8)
