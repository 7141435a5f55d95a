"""Save and load identities of the exemplar renderer: which rows of which bank, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from vera.anonymization.identity import FILE_LIMIT, Identity
from vera.anonymization.private import write_private
from vera.exemplars.bank import ExemplarBank
from vera.exemplars.identity import LARGEST, LARGEST_IN_SHAPES, Exemplar
from vera.mosaic.partners import PARTS
from vera.mosaic.points import REGIONS
from vera.types import VeraError
from vera.untrusted import number, read_tensors, shown

FORMAT, EARLIER = "4", ("2", "3")
"""Written now; and earlier formats, whose numbers would give another face now."""
TENSORS = {
    "rows": torch.int64,
    "weights": torch.float64,
    "shapes": torch.float64,
    "parts": torch.int64,
    "exaggeration": torch.float64,
    "brown_eyes": torch.bool,
}
"""Tensors of an identity's file, and their types."""
DAMAGED = "holds no face: it is damaged, or was not written by VerA; use the file of the first visit"


@dataclass(frozen=True)
class ExemplarIdentity:
    """An identity mixed from the rows of a bank.

    Attributes:
        exemplar: rows of the bank and their weights.
        bundle: digest of the bank's bundle; rows mean nothing to another one.
        seed: seed from which it was drawn.
        number: number of the draw, from 0.

    """

    exemplar: Exemplar
    bundle: str
    seed: int
    number: int

    def require_bundle(self, digest: str) -> None:
        """Raise a VeraError unless the identity was drawn with this bundle."""
        if self.bundle != digest:
            raise VeraError(
                f"this identity belongs to the bundle {shown(self.bundle[:12])}, not to {digest[:12]}: "
                "use the bundle of the first visit (--bundle), or draw a new identity for all photographs"
            )

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        return {"renderer": "exemplars", "number": self.number, "rows": self.exemplar.rows.tolist()}

    def save(self, path: str | Path) -> None:
        """Write the identity (safetensors, readable by its owner only), whole or not at all.

        Raises:
            VeraError: the file cannot be written.

        """
        path = Path(path)
        own = self.exemplar
        tensors = {
            "rows": torch.from_numpy(own.rows.astype(np.int64)),
            "weights": torch.from_numpy(own.weights.astype(np.float64)),
            "shapes": torch.from_numpy(own.shapes.astype(np.float64)),
            "parts": torch.from_numpy(own.parts.astype(np.int64)),
            "exaggeration": torch.tensor([own.exaggeration], dtype=torch.float64),
            "brown_eyes": torch.tensor([own.brown_eyes]),
        }
        metadata = {"vera_identity": FORMAT, "bundle": self.bundle, "seed": str(self.seed), "number": str(self.number)}
        try:
            write_private(path, save(tensors, metadata))
        except OSError as error:
            raise VeraError(f"cannot write the identity '{path}': {error.strerror}") from error

    @classmethod
    def load(cls, path: str | Path) -> ExemplarIdentity:
        """Read a saved identity.

        Raises:
            VeraError: the file is missing, damaged, or no identity of this renderer.

        """
        what = f"the identity '{path}'"
        tensors, facts = read_tensors(path, what=what, limit=FILE_LIMIT)
        if facts.get("vera_identity") != FORMAT:
            raise VeraError(f"'{path}' is not an identity of the exemplar renderer: give a file written with --save-identity")
        if {name: tensor.dtype for name, tensor in tensors.items()} != TENSORS or any(
            tensors[name].shape != (1,) for name in ("exaggeration", "brown_eyes")
        ):
            raise VeraError(f"{what} {DAMAGED}")
        own = {name: tensor.numpy() for name, tensor in tensors.items()}
        exaggeration, brown = float(own["exaggeration"][0]), bool(own["brown_eyes"][0])
        exemplar = Exemplar(own["rows"], own["weights"], own["shapes"], own["parts"], exaggeration, brown)
        if not _sound(exemplar):
            raise VeraError(f"{what} {DAMAGED}")
        seed, drawn = number(facts, "seed", int, 0, 2**63 - 1, what=what), number(facts, "number", int, 0, 2**31, what=what)
        return cls(exemplar, facts.get("bundle", ""), seed, drawn)

    def require_rows(self, bank: ExemplarBank) -> None:
        """Raise a VeraError where the bank has no such rows."""
        if self.exemplar.rows.min() < 0 or self.exemplar.rows.max() >= bank.rows:
            raise VeraError("this identity names rows that its bank does not have: the file is damaged, use the one of the first visit")


def _sound(own: Exemplar) -> bool:
    """Whether all values have the shapes and ranges that drawing gives them."""
    rows = own.rows.shape[0] if own.rows.ndim == 1 else 0
    shapes = own.weights.shape == (rows,) and own.shapes.shape == (len(REGIONS), rows) and own.parts.shape == (len(PARTS),)
    if rows < 3 or not shapes or own.rows.dtype != np.int64 or own.parts.dtype != np.int64:
        return False
    shares = np.vstack([own.weights, own.shapes])
    if not np.isfinite(shares).all() or not np.allclose(shares.sum(axis=1), 1, rtol=1e-6):
        return False
    bounded = own.weights.max() <= LARGEST + 1e-6 and own.shapes.max() <= LARGEST_IN_SHAPES + 1e-6
    within = bounded and shares.min() >= 0 and 0 <= own.parts.min() <= own.parts.max() < rows
    return bool(within and 0 < own.exaggeration < 4)


def load_identity(path: str | Path) -> Identity | ExemplarIdentity:
    """Read an identity of either renderer.

    Raises:
        VeraError: the file is missing, damaged, or no identity of this version.

    """
    written = read_tensors(path, what=f"the identity '{path}'", limit=FILE_LIMIT).metadata.get("vera_identity")
    if written in EARLIER:
        raise VeraError(
            f"the identity '{path}' was drawn by an earlier version of VerA, and this version would make another face of it: "
            "anonymize all photographs of this person anew, or use the version of the first visit"
        )
    return ExemplarIdentity.load(path) if written == FORMAT else Identity.load(path)
