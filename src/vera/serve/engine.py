"""The engine that the page needs, as a protocol: the command line gives the one that works as ``vera anonymize`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vera.serve.choices import Choices

Watch = Callable[[str, int, int], None]
"""A function that is told of progress: the current activity, the number of steps done, and their total."""


@dataclass(frozen=True)
class Job:
    """One person's call.

    Attributes:
        photographs: files of the person's photographs, in their order.
        numbers: number of each photograph, to which ``choices.drawn`` refers.
        views: the picture of each photograph that :meth:`Engine.look` wrote; strokes are in its pixels.
        masks: file of a drawn region of each photograph; None for none.
        choices: the user's choices on the page.
        out: folder for the outputs and the report; it is not there yet.
        identity: file of a face of an earlier visit; None for none.
        keep_identity: file that takes the new face; None for none.

    """

    photographs: tuple[Path, ...]
    numbers: tuple[int, ...]
    views: tuple[Path, ...]
    masks: tuple[Path | None, ...]
    choices: Choices
    out: Path
    identity: Path | None = None
    keep_identity: Path | None = None


class Engine(Protocol):
    """Protocol of engines; all values are JSON's own types, since they cross a process's border."""

    def look(self, photograph: Path, view: Path, *, tell: Watch) -> dict[str, Any]:
        """Find the faces of a photograph, and write a picture of it that every browser shows.

        Args:
            photograph: an image file in any format that VerA reads.
            view: JPEG to write, upright and of the photograph's full size.
            tell: told of every step.

        Returns:
            ``size`` (height, width), ``faces`` (each its ``box`` and its ``outline``, in pixels, largest first), ``turned``
            (a sentence, or None) and ``warnings``.

        Raises:
            VeraError: it can't be read.

        """
        ...

    def regions(self, photograph: Path, face: int, *, tell: Watch) -> list[dict[str, Any]]:
        """Find the regions of a face that can be kept by name.

        Args:
            photograph: an image file in any format that VerA reads.
            face: number of the face, from 1.
            tell: told of every step.

        Returns:
            For each its ``name``, ``pixels``, ``rings`` (outlines as ``[x, y]`` pairs) and ``mm`` (pixels of a millimetre of margin),
            or its ``name`` and ``missing``: why it is not there.

        Raises:
            VeraError: there is no such face, or it can't be used.

        """
        ...

    def run(self, job: Job, *, tell: Watch) -> dict[str, Any]:
        """Anonymize one person, as ``vera anonymize`` does.

        Args:
            job: the person's files and choices.
            tell: told of every step.

        Returns:
            ``record``: the person's record of the audit; its ``status`` is ``written``, ``refused`` or ``failed``. ``rings``: for each
            photograph the outlines of the kept region.

        Raises:
            VeraError: the call can't be made.

        """
        ...
