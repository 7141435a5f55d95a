"""Build the anonymizer from command-line options: a bundle, the embedded face backends and the choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vera.anonymization.exemplar_identity import load_identity as read_identity
from vera.anonymization.interface import embedded
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.renderer import SavedIdentity
from vera.anonymization.request import Options
from vera.cli.loading import choices, settings_of
from vera.cli.plan import Entry, PlannedPerson
from vera.faces.calibration import DEFAULT_FAR
from vera.faces.clip_file import read_clip
from vera.faces.masks import read_mask
from vera.faces.photograph import read_photograph
from vera.types import AnonymizedPerson, Mask, Photograph, Progress, VeraError


@dataclass(frozen=True)
class PersonAnonymizer:
    """Reads one person's files and anonymizes them.

    Attributes:
        anonymizer: pipeline with all its parts.
        settings: the audit's entries about the whole call.

    """

    anonymizer: VeraAnonymizer
    settings: Mapping[str, Any]

    def with_options(self, options: Options) -> PersonAnonymizer:
        """The same networks with other choices."""
        return PersonAnonymizer(self.anonymizer.with_options(options), {**self.settings, **choices(options)})

    def anonymize(
        self, person: PlannedPerson, identity: SavedIdentity | None, progress: Progress
    ) -> tuple[AnonymizedPerson, SavedIdentity | None]:
        """Read one person's photographs and masks, or the frames of one clip, and anonymize them."""
        if person.entries[0].clip:
            (entry,) = person.entries
            clip = read_clip(entry.path, entry.name)
            progress(f"{len(clip.frames)} frames: some seconds for each", 0, 0)
            made = self.anonymizer(clip.frames, person=person.id, identity=identity, progress=progress, clip=True)
            facts = made.audit | {"clip": {"name": entry.name} | clip.facts(), "warnings": [*clip.warnings, *made.audit["warnings"]]}
            return replace(made, audit=facts), made.identity
        photographs = [replace(read_photograph(entry.path), name=entry.name) for entry in person.entries]
        masks = [drawn_region(entry, photograph) for entry, photograph in zip(person.entries, photographs, strict=True)]
        result = self.anonymizer(photographs, person=person.id, masks=masks, identity=identity, progress=progress)
        return result, result.identity

    def made(self, record: Mapping[str, Any]) -> bool:
        """Whether an earlier record is of the same choices, networks and libraries, so that it need not be made again."""
        return self.anonymizer.made(record)

    def save_identity(self, identity: SavedIdentity | None, path: Path) -> None:
        """Keep an identity for a later visit, readable by its owner only."""
        if identity is None:
            raise VeraError("no new face was drawn in any of these photographs, so there is none to save: leave --save-identity out")
        identity.save(path)


def assemble(
    bundle: Path | None,
    device: str,
    options: Options,
    *,
    renderer: str | None = None,
    method: str | None = None,
    parser: str | None = None,
    recognisers: Sequence[str] = (),
    far: float = DEFAULT_FAR,
) -> PersonAnonymizer:
    """Load the bundle and the face parts.

    Args:
        bundle: folder of a bundle or bank; None for the packaged one.
        device: device of the networks, ``cpu`` or ``cuda``.
        options: the choices of the call.
        renderer: ``exemplars`` or ``generator``; None: what the bundle is for.
        method: ``cover``, ``blur`` or ``pixelate`` instead of a new face; None for a renderer.
        parser: name or path of a face parser; None for the packaged one.
        recognisers: names or paths of further recognisers.
        far: false-accept rate of the recognisers' thresholds.

    Raises:
        VeraError: the bundle or a part's weights are missing or damaged, the device is not there, or an unknown recogniser or rate.

    """
    require_device(device)
    anonymizer = embedded(bundle, device, options, renderer=renderer, method=method, parser=parser, recognisers=recognisers, far=far)
    return PersonAnonymizer(anonymizer, settings_of(device, options, method=method, far=far))


def require_device(device: str) -> None:
    """Raise a VeraError if networks can't run there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise VeraError("--device cuda: this machine has no CUDA device that torch can use; take --device cpu, or see `vera doctor`")


def drawn_region(entry: Entry, photograph: Photograph) -> Mask | None:
    """Union of all masks of a photograph, ``(H, W)`` bool; None without masks.

    Raises:
        VeraError: a mask can't be read, is empty, or has another size than its photograph.

    """
    masks = [read_mask(path, photograph.size) for path in entry.masks]
    return np.logical_or.reduce(masks) if masks else None


def load_identity(path: Path | None) -> SavedIdentity | None:
    """A face that was saved at an earlier visit; None for none.

    Raises:
        VeraError: the file is missing or is no identity.

    """
    return read_identity(path) if path else None
