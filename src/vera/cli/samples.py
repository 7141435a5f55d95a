"""Random faces of a bundle, and the folder that shows them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from vera.anonymization.identity import draw as draw_identity
from vera.anonymization.portrait import portrait
from vera.cli.stopping import Stopping
from vera.faces.photograph import indexed, write_labels, write_png
from vera.files import place
from vera.generator.network import Generator
from vera.generator.sampling import code_sampler
from vera.inversion.autoencoder import Autoencoder
from vera.rng import derived_seed
from vera.types import Pixels, VeraError, tensor_to_image

SHEET = "sheet.png"
SHEET_SIDE = 4096
"""DECISION: longest side of the sheet in pixels; faces are shown smaller on it if need be."""
MOST = 100_000
"""DECISION: faces of one call: twice what a Fréchet distance is measured on."""


class DrawnSample(NamedTuple):
    """One face.

    Attributes:
        image: the face, ``(S, S, 3)`` uint8.
        labels: ``(S, S)`` class numbers.

    """

    image: Pixels
    labels: npt.NDArray[np.uint8]


def sampler(network: nn.Module, *, seed: int, truncation: float) -> Callable[[int], DrawnSample]:
    """Make a function that draws face number i of a network, depending on (seed, i) alone.

    Faces are made one by one: the last bits of a matrix product depend on how many samples it is made for.

    Args:
        network: a generator with a mapping, or an autoencoder with its bank of identities.
        seed: 0 to 2^63 - 1.
        truncation: scale of the deviation from the mean face, 0 to 4.

    Raises:
        VeraError: nothing can be drawn from such a network, or so.

    """
    if not 0 <= truncation <= 4:
        raise VeraError(f"truncation {truncation}: choose a value from 0 to 4")
    if isinstance(network, Autoencoder):
        return _identities(network, seed=seed, truncation=truncation)
    if isinstance(network, Generator) and network.mapping is not None:
        return _mapped(network, seed=seed, truncation=truncation)
    kind = "generator without a mapping" if isinstance(network, Generator) else type(network).__name__
    raise VeraError(f"no faces can be drawn from a {kind}: give the bundle of a generator with a mapping, or of an autoencoder")


def _mapped(generator: Generator, *, seed: int, truncation: float) -> Callable[[int], DrawnSample]:
    draw = code_sampler(generator, seed=seed, truncation=truncation)

    @torch.no_grad()
    def one(number: int) -> DrawnSample:
        synthesis = generator(draw(number))
        return sample_of(synthesis.image[0], synthesis.segmentation[0])

    return one


def _identities(network: Autoencoder, *, seed: int, truncation: float) -> Callable[[int], DrawnSample]:
    kinds = network.kinds or (None,)

    def one(number: int) -> DrawnSample:
        bank, mean = network.identities(kinds[derived_seed(seed, number, "kind") % len(kinds)])
        identity = draw_identity(bank.cpu(), mean.cpu(), bundle="", seed=seed, person=str(number), attempt=1, truncation=truncation)
        return sample_of(*portrait(network, identity))

    return one


def sample_of(image: torch.Tensor, segmentation: torch.Tensor) -> DrawnSample:
    """A face as a network made it.

    Args:
        image: ``(3, S, S)`` in [-1, 1].
        segmentation: segmentation ``(K, S, S)`` in 2p - 1, or class probabilities.

    Raises:
        VeraError: it has numbers that are not finite, and would be black.

    """
    if not (image.isfinite().all() and segmentation.isfinite().all()):
        raise VeraError(
            "the network made a face of numbers that are not finite: ask for values nearer to usual faces, or use another bundle"
        )
    return DrawnSample(tensor_to_image(image), segmentation.argmax(dim=0).to(torch.uint8).cpu().numpy())


def write_samples(out: Path, count: int, faces: Callable[[], Iterable[DrawnSample]], *, columns: int | None = None) -> None:
    """Write faces, their labels and a sheet of all of them: every file or none.

    Args:
        out: the folder; made if it is not there.
        count: number of faces to come.
        faces: function that yields the faces; called once it is clear that they can be written.
        columns: columns of the contact sheet; None for about as many as rows.

    Raises:
        VeraError: more than :data:`MOST` faces are asked for, a file is there already, or can't be written.

    """
    if count > MOST:
        raise VeraError(f"{count:,} faces are asked for, one call makes up to {MOST:,}: ask for fewer, and call again with another --seed")
    names = [name for number in range(count) for name in (f"{number:04d}.png", f"{number:04d}.seg.png")] + [SHEET]
    placed: list[Path] = []
    with Stopping() as stopping:
        try:
            for name in names:
                if (out / name).exists():
                    raise VeraError(f"{out / name} is there already: choose another folder with --out")
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".vera-", dir=out, ignore_cleanup_errors=True) as staging:
                sheet = Sheet(count, columns or math.ceil(math.sqrt(count)))
                for number, face in enumerate(faces()):
                    image, labels = (Path(staging, name) for name in names[2 * number : 2 * number + 2])
                    write_png(image, face.image)
                    write_labels(labels, face.labels)
                    sheet.add(face)
                write_png(Path(staging, SHEET), sheet.pixels)
                with stopping.held():
                    for name in names:
                        place(Path(staging, name), out / name)
                        placed.append(out / name)
        except BaseException as error:
            with stopping.held():
                for file in placed:
                    file.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise VeraError(f"the folder {out} can't be written ({error.strerror}): choose another with --out") from error
            raise


class Sheet:
    """A contact sheet: every face beside its coloured segmentation, in rows.

    Args:
        count: number of faces to come.
        columns: number of faces in a row.

    """

    def __init__(self, count: int, columns: int) -> None:
        self.columns = columns
        self.rows = math.ceil(count / self.columns)
        self.pixels: Pixels = np.zeros((0, 0, 3), np.uint8)
        self._next = 0

    def add(self, face: DrawnSample) -> None:
        """Show the next face."""
        side = min(face.image.shape[0], max(1, SHEET_SIDE // (2 * self.columns)))
        if not self._next:
            self.pixels = np.full((self.rows * side, 2 * self.columns * side, 3), 255, np.uint8)
        row, column = divmod(self._next, self.columns)
        shown = Image.fromarray(face.image).resize((side, side), Image.Resampling.BOX)
        coloured = indexed(face.labels).resize((side, side), Image.Resampling.NEAREST).convert("RGB")
        pair = np.concatenate([np.asarray(shown), np.asarray(coloured)], axis=1)
        self.pixels[row * side : (row + 1) * side, 2 * column * side : 2 * (column + 1) * side] = pair
        self._next += 1
