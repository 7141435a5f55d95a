"""The faces that are inverted: generated ones with their true codes, mosaics with their masks, photographs as they are parsed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from vera.data.folder import FolderDataset
from vera.data.sample import decode_images, decode_labels
from vera.faces.alignment import align
from vera.faces.detection import DlibDetector
from vera.faces.parser_choice import choose_parser
from vera.faces.photograph import read_photograph
from vera.types import LatentCodes, VeraError, to_probabilities

GENERATED = "generated"
SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class Cases:
    """Faces at the bundle's size.

    Attributes:
        source: ``generated``, ``mosaics`` or ``photographs``.
        names: of each.
        images: ``(N, 3, S, S)`` in [-1, 1].
        segmentations: ``(N, K, S, S)`` class probabilities.
        true: the local codes of generated faces, ``(N, R, D)``; None for others.
        refused: name and reason of what is left out.

    """

    source: str
    names: list[str]
    images: Tensor
    segmentations: Tensor
    true: Tensor | None
    refused: dict[str, str]

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and segmentations."""
        yield from zip(self.images.split(size), self.segmentations.split(size), strict=True)


@torch.no_grad()
def generated(network: Any, count: int, seed: int) -> Cases:
    """Identities of the bank, which are codes: what the generator makes of them is inverted again."""
    if len(network.bank) < count:
        raise VeraError(f"the bundle's bank holds {len(network.bank)} identities: ask for --count {len(network.bank)} at most")
    chosen = torch.randperm(len(network.bank), generator=torch.Generator().manual_seed(seed))[:count]
    local = network.bank[chosen]
    made = network.generator(LatentCodes(local, network.generator.no_attributes(count, local)))
    names = [f"identity {number}" for number in chosen.tolist()]
    return Cases(GENERATED, names, made.image.clamp(-1, 1), to_probabilities(made.segmentation), local, {})


def mosaics(root: Path, size: int, count: int) -> Cases:
    """Faces of a folder with exact masks, evenly spaced."""
    data = FolderDataset(root=root, size=size, pattern="*", cache=False)
    numbers = np.unique(np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(int)).tolist()
    samples = [data[number] for number in numbers]
    images, labels = (torch.stack([sample[key] for sample in samples]) for key in ("image", "labels"))  # type: ignore[literal-required]
    return Cases("mosaics", [data.pairs[number][0].stem for number in numbers], decode_images(images), decode_labels(labels), None, {})


def photographs(folder: Path, size: int, count: int, parser_name: str) -> Cases:
    """Photographs, found, aligned and parsed; those in which that fails are named with the reason."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise VeraError(f"no .jpg or .png in '{folder}'")
    numbers = np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)).tolist()
    detector, parser = DlibDetector(), choose_parser(parser_name)
    seen, refused = {}, {}
    for file in track([files[number] for number in numbers], "photographs"):
        try:
            photograph = read_photograph(file)
            faces = detector.detect(photograph)
            if not faces:
                raise VeraError("no face found")
            face = align(photograph, faces[0].landmarks, size)
            seen[file.stem] = face.image, parser.parse(face)
        except VeraError as error:
            refused[file.stem] = str(error)
    if not seen:
        raise VeraError(f"none of {len(numbers)} photographs in '{folder}' can be used; the first: {next(iter(refused.values()))}")
    images, segmentations = (torch.stack(parts) for parts in zip(*seen.values(), strict=True))
    return Cases("photographs", list(seen), images, segmentations, None, refused)
