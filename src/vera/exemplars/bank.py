"""The bank of exemplars: photographic faces of nobody, neutral and smiling, each a mosaic of several consenting people.

A row shows a face only: skin is carried on over what surrounded it (hair, ears, neck, clothes and background of a donor), and the
images are JPEGs inside the bundle's tensors. Rows name the people they were made of by number, so that an evaluation on these very
people can leave out the rows that they went into.

A bank may hold embeddings of its rows, and of the donors' own photographs: the search for a different face starts from the rows that
recognisers put farthest from the person, and prefers faces that are far from every donor.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from vera.exemplars.layout import Frontal
from vera.mosaic.points import INNER
from vera.mosaic.warping import Triangles, triangulate
from vera.types import Points, VeraError

Floats = npt.NDArray[np.float32]
ROLES = 2
"""Neutral and smiling."""


class ExemplarBank(nn.Module):
    """Rows of a bank.

    Args:
        rows: number of rows (identities) in the bank.
        size: side of the images in pixels.
        picture_bytes: length in bytes of all images together.
        segmentation_bytes: length in bytes of all segmentations together.
        donors: names of all people that rows were made of.
        donors_each: people in one row.
        sexes: names of the groups that rows are not mixed across.
        recogniser: name of the recogniser whose embeddings :attr:`sex_head` and :attr:`age_head` read.
        embedding: length of that recogniser's embeddings.
        quality: JPEG quality of the images, 1 to 100.
        recognisers: names of the recognisers that rows and donors were embedded by, and the lengths of their embeddings.
        strangers: median distance of a donor's photograph to the nearest one of another donor, by each recogniser.
        photographed: names of the donors whom the embedded photographs show.

    Attributes:
        pictures: uint8, the JPEGs one after the other; ``picture_ends`` ``(rows, 2)`` says where each ends.
        segmentations: uint8, PNGs of class numbers; ``segmentation_ends`` ``(rows, 2)``.
        points: ``(rows, 2, 105, 2)`` meshes in units of the crop.
        sex: ``(rows,)`` number of the group.
        tone: ``(rows, 3)`` CIELAB of the skin, median over the cheeks.
        age: ``(rows,)`` years: the mean of the donors' by their weights.
        beard: ``(rows,)`` how much darker chin and upper lip are than the cheeks, CIELAB lightness.
        eyes: ``(rows,)`` how light the irises are: CIELAB lightness less yellowness.
        made_of: ``(rows, donors_each)`` numbers in ``donors``.
        sex_head: ``(groups, embedding + 1)``: scores of the groups, linear in an embedding and 1.
        age_head: ``(embedding + 1,)``: years, linear in an embedding and 1.
        row_embeddings_NAME: ``(rows, 2, D)`` for each recogniser, and ``donor_embeddings_NAME`` ``(photographs, D)``.

    """

    def __init__(
        self,
        *,
        rows: int,
        size: int,
        picture_bytes: int,
        segmentation_bytes: int,
        donors: Sequence[str],
        donors_each: int,
        sexes: Sequence[str],
        recogniser: str,
        embedding: int,
        quality: int,
        recognisers: Mapping[str, int] | None = None,
        strangers: Mapping[str, float] | None = None,
        photographed: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "rows": rows, "size": size, "picture_bytes": picture_bytes, "segmentation_bytes": segmentation_bytes, "donors": list(donors),
            "donors_each": donors_each, "sexes": list(sexes), "recogniser": recogniser, "embedding": embedding, "quality": quality,
            "recognisers": dict(recognisers or {}), "strangers": dict(strangers or {}), "photographed": list(photographed),
        }  # fmt: skip
        self.recognisers, self.strangers, self.photographed = dict(recognisers or {}), dict(strangers or {}), tuple(photographed)
        self.rows, self.size, self.donors, self.sexes, self.recogniser = rows, size, tuple(donors), tuple(sexes), recogniser
        shapes: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            "pictures": ((picture_bytes,), torch.uint8),
            "picture_ends": ((rows, ROLES), torch.int64),
            "segmentations": ((segmentation_bytes,), torch.uint8),
            "segmentation_ends": ((rows, ROLES), torch.int64),
            "points": ((rows, ROLES, 105, 2), torch.float32),
            "sex": ((rows,), torch.int64),
            "tone": ((rows, 3), torch.float32),
            "age": ((rows,), torch.float32),
            "beard": ((rows,), torch.float32),
            "eyes": ((rows,), torch.float32),
            "made_of": ((rows, donors_each), torch.int64),
            "sex_head": ((len(sexes), embedding + 1), torch.float32),
            "age_head": ((embedding + 1,), torch.float32),
        }
        for name, length in self.recognisers.items():
            shapes[f"row_embeddings_{name}"] = ((rows, ROLES, length), torch.float32)
            shapes[f"donor_embeddings_{name}"] = ((len(photographed), length), torch.float32)
        for name, (shape, kind) in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=kind))

    def image(self, row: int, role: int, *, reduced: int = 1) -> Floats:
        """A row's image, ``(T, T, 3)`` RGB, 0 to 255; T is the size divided by ``reduced`` (1, 2, 4 or 8)."""
        flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
        decoded = cv2.imdecode(self._piece("picture", row, role), flags[reduced])
        if decoded is None:
            raise VeraError(f"row {row} of the bank of exemplars cannot be decoded: fetch the bundle again")
        return np.asarray(decoded[..., ::-1], dtype=np.float32)

    def labels(self, row: int, role: int) -> npt.NDArray[np.uint8]:
        """A row's class numbers, ``(T', T')`` uint8."""
        encoded = io.BytesIO(self._piece("segmentation", row, role).tobytes())
        return np.asarray(Image.open(encoded, formats=["PNG"]), dtype=np.uint8)

    def mesh(self, row: int, role: int) -> Points:
        """A row's mesh, ``(105, 2)`` float64."""
        return np.asarray(self._array("points")[row, role], dtype=np.float64)

    def made_of_none(self, donors: Collection[str]) -> npt.NDArray[np.bool_]:
        """``(rows,)``: rows that none of these people went into."""
        numbers = [number for number, name in enumerate(self.donors) if name in set(donors)]
        return np.asarray(~np.isin(self._array("made_of"), numbers).any(axis=1), dtype=np.bool_)

    def row_embeddings(self, recogniser: str) -> npt.NDArray[np.float32]:
        """``(rows, 2, D)``: the rows as a recogniser of :attr:`recognisers` sees them."""
        return self._array(f"row_embeddings_{recogniser}")

    def donor_embeddings(self, recogniser: str, leave_out: Collection[str] = ()) -> npt.NDArray[np.float32]:
        """``(photographs, D)``: the donors' photographs as a recogniser of :attr:`recognisers` sees them, without some donors."""
        return self._array(f"donor_embeddings_{recogniser}")[~np.isin(self.photographed, list(leave_out))]

    def beyond_donors(self, row: int, distances: Mapping[str, Callable[[Any, Any], float]], leave_out: Collection[str] = ()) -> float:
        """Distance of a row to the nearest donor, in the distances that donors usually have to the next one; 0 where nobody knows it.

        Args:
            row: number of the row in this bank.
            distances: distance of two embeddings by recogniser; the mean over those that the bank knows counts.
            leave_out: donors that do not count (evaluation on the donors themselves).

        """
        found = []
        for name in sorted(distances.keys() & self.recognisers.keys()):
            donors = self.donor_embeddings(name, leave_out)
            nearest = min(distances[name](one, donor) for one in self.row_embeddings(name)[row] for donor in donors)
            found.append(nearest / self.strangers[name])
        return float(np.mean(found)) if found else 0.0

    @cached_property
    def facts(self) -> dict[str, npt.NDArray[Any]]:
        """``sex``, ``tone``, ``age``, ``beard``, ``eyes``, ``sex_head`` and ``age_head`` as arrays."""
        return {name: self._array(name) for name in ("sex", "tone", "age", "beard", "eyes", "sex_head", "age_head")}

    @cached_property
    def triangles(self) -> Triangles:
        """``(T, 3)``: Delaunay's triangles of the mean mesh; the same for all faces."""
        return triangulate(self._array("points").astype(np.float64).mean(axis=(0, 1)))

    @cached_property
    def mean(self) -> Frontal:
        """The mean face over all rows."""
        neutral, smiling = self._array("points").astype(np.float64)[:, :, :INNER].mean(axis=0)
        return Frontal(neutral, smiling)

    def mean_of(self, sex: int) -> Frontal:
        """The mean face of one group."""
        return self._means[sex]

    @cached_property
    def _means(self) -> dict[int, Frontal]:
        points, own = self._array("points").astype(np.float64)[:, :, :INNER], self.facts["sex"]
        return {int(sex): Frontal(*points[own == sex].mean(axis=0)) for sex in np.unique(own)}

    def _array(self, name: str) -> npt.NDArray[Any]:
        return self.get_buffer(name).cpu().numpy()

    def _piece(self, kind: str, row: int, role: int) -> npt.NDArray[np.uint8]:
        ends = self._array(f"{kind}_ends").ravel()
        number = row * ROLES + role
        start = 0 if number == 0 else int(ends[number - 1])
        return np.asarray(self._array(f"{kind}s")[start : int(ends[number])])
