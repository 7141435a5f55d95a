"""The renderer protocol: new faces for one person's photographs.

Three implement it: exemplars (:mod:`vera.anonymization.exemplar_renderer`, the default), the generator of the paper
(:mod:`vera.anonymization.generator_renderer`), and the methods without a new face (:mod:`vera.anonymization.obscuring_renderer`). Finding
faces, regions, verification and the audit are the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vera.anonymization.audit import Clock
from vera.anonymization.request import Options
from vera.anonymization.scene import Scene
from vera.anonymization.verification import Embedding
from vera.bundle import BundleInfo
from vera.faces.recognition import Recogniser
from vera.types import Anonymized, Progress


class SavedIdentity(Protocol):
    """Protocol of saved identities: the new face of a person, shared by all photographs and kept for later visits."""

    @property
    def seed(self) -> int:
        """Seed that the identity was drawn from."""
        ...

    def require_bundle(self, digest: str) -> None:
        """Raise a VeraError unless it was drawn with this bundle."""
        ...

    def save(self, path: str | Path) -> None:
        """Write the identity to a file that only its owner can read."""
        ...

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        ...


@dataclass(frozen=True)
class Request:
    """One person, as the anonymizer hands it to a renderer.

    Attributes:
        scenes: the photographs, their faces found and parsed.
        seed: the same seed, person and photographs give the same identity.
        person: id of the person.
        identity: identity of an earlier visit; None to draw one.
        recognisers: recognisers that the search for a different face asks.
        sources: embeddings of the sources: for each recogniser, for each photograph, those of its views.
        options: the choices of the call.
        clock: seconds per step, for the audit.
        progress: told of every step; None for nobody.
        clip: the photographs are the frames of a clip, in the order of time.

    """

    scenes: Sequence[Scene]
    seed: int
    person: str
    identity: SavedIdentity | None
    recognisers: Sequence[Recogniser]
    sources: Sequence[Sequence[Sequence[Embedding]]]
    options: Options
    clock: Clock
    progress: Progress | None = None
    clip: bool = False


class Case(Protocol):
    """One person's photographs, made ready by a renderer."""

    @property
    def scenes(self) -> Sequence[Scene]:
        """The photographs with the regions that this renderer replaces."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings for the audit: what a person must check by eye."""
        ...

    def identity(self, attempt: int) -> SavedIdentity:
        """The identity of an attempt, from 1; another face each."""
        ...

    def render(self, identity: SavedIdentity) -> list[Anonymized]:
        """The photographs with this identity."""
        ...

    def facts(self) -> dict[str, Any]:
        """Plain values about the case for the audit: ``candidates``, the number of identities searched (1: no search), and others."""
        ...


class Renderer(Protocol):
    """Makes new faces from a bundle."""

    @property
    def name(self) -> str:
        """``exemplars`` or ``generator``; ``cover``, ``blur`` or ``pixelate`` for a method without a new face."""
        ...

    @property
    def source_type(self) -> str:
        """The way its outputs come about, for their mark: one of :data:`vera.faces.marking.TERMS`."""
        ...

    @property
    def info(self) -> BundleInfo | None:
        """Record of the renderer's bundle; None for a method without a new face, which draws nothing and so has no bundle."""
        ...

    def check(self, options: Options) -> None:
        """Raise a VeraError for options that this renderer or bundle cannot meet, before anything is read."""
        ...

    def open(self, request: Request) -> Case:
        """Look at a person's photographs.

        Raises:
            VeraError: a photograph that this renderer cannot work on.

        """
        ...
