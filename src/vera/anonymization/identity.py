"""Identities: what an anonymized person looks like, drawn from (seed, person) and kept for later visits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from vera.anonymization.private import write_private
from vera.anonymization.proportions import LIMIT, NAMES, draw_proportions
from vera.rng import derived_seed
from vera.types import LatentCodes, Semantic, VeraError
from vera.untrusted import number, read_tensors, shown

FORMAT = "1"
FILE_LIMIT = 8 << 20
"""DECISION: bytes of an identity's file; those of the default bundle have 15 kB."""
FARTHEST, WIDEST = 1e4, 16.0
"""DECISION: no code of an identity is larger, nor its truncation (both are far beyond any face)."""
BLENDED = 4
"""DECISION: rows of the bank in a mixture (at least three; each row is a mixture itself)."""
EVENNESS = 0.75
"""DECISION: this part of each weight is shared evenly: no row weighs more than 0.44, and no identity comes near a row of the bank."""
ALIKE = 48
"""DECISION: textures are mixed from so many rows of the bank, those whose skin is nearest to the photographs'. A face of another complexion
than its neck, ears and hair is seen at once, and no change of colours afterwards makes up for it."""
TEXTURE = 0.8
"""DECISION: scale of the texture codes' deviation beside the shape codes'. Who somebody is lies in shapes for the most part; far from the
mean textures the generated skin becomes mottled."""
MIXED_ALONE: tuple[tuple[Semantic, ...], ...] = (
    (Semantic.EYES, Semantic.BROWS),
    (Semantic.NOSE,),
    (Semantic.MOUTH,),
)
"""DECISION: the shapes of these parts are mixed on their own: faces vary more than the bank's; one complexion stays for the whole face."""


@dataclass(frozen=True)
class Identity:
    """Identity of the generator renderer, shared by all photographs of a person: local codes and proportions.

    Attributes:
        local: ``(2 + 2K, D)`` float32.
        proportions: ``(P,)`` float32, see :mod:`vera.anonymization.proportions`.
        bundle: digest of the bundle they belong to; codes mean nothing to another one.
        seed: seed from which they were drawn.
        attempt: number of the draw, from 1.
        truncation: scale of their deviation from the mean.
        harmonized: whether they were fitted to a person's photographs.

    """

    local: Tensor
    proportions: Tensor
    bundle: str
    seed: int
    attempt: int
    truncation: float
    harmonized: bool = False

    def require_bundle(self, digest: str) -> None:
        """Raise a VeraError unless the identity was drawn with this bundle."""
        if self.bundle != digest:
            raise VeraError(
                f"this identity belongs to the bundle {shown(self.bundle[:12])}, not to {digest[:12]}: "
                "use the bundle of the first visit, or draw a new identity for all photographs"
            )

    def facts(self) -> dict[str, Any]:
        """Plain values that describe it in the audit."""
        return {"renderer": "generator", "truncation": self.truncation, "harmonized": self.harmonized}

    def save(self, path: str | Path) -> None:
        """Write the identity (safetensors, readable by its owner only), whole or not at all.

        Raises:
            VeraError: the file cannot be written.

        """
        path = Path(path)
        metadata = {
            "vera_identity": FORMAT,
            "bundle": self.bundle,
            "seed": str(self.seed),
            "attempt": str(self.attempt),
            "truncation": repr(self.truncation),
            "harmonized": str(int(self.harmonized)),
        }
        tensors = {"local": self.local, "proportions": self.proportions}
        content = save({name: tensor.detach().cpu().float().contiguous() for name, tensor in tensors.items()}, metadata)
        try:
            write_private(path, content)
        except OSError as error:
            raise VeraError(f"cannot write the identity '{path}': {error.strerror}") from error

    @classmethod
    def load(cls, path: str | Path) -> Identity:
        """Read a saved identity.

        Raises:
            VeraError: the file is missing, damaged, no identity, or holds what no drawing gives (shapes, ranges, not finite).

        """
        what = f"the identity '{path}'"
        tensors, facts = read_tensors(path, what=what, limit=FILE_LIMIT)
        if facts.get("vera_identity") != FORMAT or set(tensors) != {"local", "proportions"}:
            raise VeraError(f"'{path}' is not an identity of this version: give a file written with --save-identity")
        local, proportions = tensors["local"], tensors["proportions"]
        read = cls(
            local=local.float(),
            proportions=proportions.float(),
            bundle=facts.get("bundle", ""),
            seed=number(facts, "seed", int, 0, 2**63 - 1, what=what),
            attempt=number(facts, "attempt", int, 1, 2**31, what=what),
            truncation=number(facts, "truncation", float, 0, WIDEST, what=what),
            harmonized=bool(number(facts, "harmonized", int, 0, 1, what=what)),
        )
        kinds = local.is_floating_point() and proportions.is_floating_point()
        sound = kinds and local.dim() == 2 and local.numel() > 0 and proportions.shape == (len(NAMES),)
        if not sound or local.abs().max() > FARTHEST or proportions.abs().max() > LIMIT * WIDEST:
            raise VeraError(f"{what} holds no face: it is damaged, or was not written by VerA; use the file of the first visit")
        return read

    def require_codes(self, shape: tuple[int, ...]) -> None:
        """Raise a VeraError unless the codes have the shape of the bundle's, ``(2 + 2K, D)``."""
        if tuple(self.local.shape) != shape:
            raise VeraError(f"this identity has codes of {tuple(self.local.shape)}, the bundle takes {shape}: the file is damaged")


def draw(
    bank: Tensor, mean: Tensor, *, skin: Tensor | None = None, bundle: str, seed: int, person: str, attempt: int, truncation: float
) -> Identity:
    """Draw an identity: a function of its arguments alone.

    Deviations from the mean are mixed with random weights and divided by the weights' Euclidean norm: for independent rows
    the mixture then varies as the bank does (an average would be one mean face for everybody), times ``truncation``.

    Args:
        bank: ``(N, 2 + 2K, D)``, N >= 4.
        mean: ``(2 + 2K, D)``.
        skin: ``(D,)`` texture code of the person's skin; None: textures of any complexion.
        bundle: digest of the bundle that holds the bank.
        seed: 0 to 2^63 - 1.
        person: id of the person, any text.
        attempt: number of the attempt, from 1; each attempt gives another face.
        truncation: scale of the deviation.

    Raises:
        VeraError: the bank is too small to mix.

    """
    if len(bank) < BLENDED:
        raise VeraError(f"the bundle's bank holds {len(bank)} identities, a mixture takes {BLENDED}: use a bundle with a filled bank")
    generator = torch.Generator().manual_seed(derived_seed(seed, person, str(attempt), "identity"))
    deviations = (bank - mean).detach().cpu().float()
    local = _mixture(deviations, generator)
    for part in MIXED_ALONE:
        other = _mixture(deviations, generator)
        rows = LatentCodes.rows(part)[0::2]  # shape codes
        local[rows] = other[rows]
    local = mean.detach().cpu().float() + truncation * local
    textures = list(LatentCodes.rows(range(len(local) // 2 - 1))[1::2])
    alike = _alike(bank.detach().cpu().float(), skin)
    centre = alike.mean(dim=0)
    local[textures] = (centre + truncation * TEXTURE * _mixture(alike - centre, generator))[textures]
    return Identity(local, truncation * draw_proportions(generator), bundle, seed, attempt, truncation)


def _alike(bank: Tensor, skin: Tensor | None) -> Tensor:
    """Rows of the bank whose skin texture code is nearest to this one."""
    if skin is None:
        return bank
    row = LatentCodes.rows([Semantic.SKIN])[1]
    unit = bank[:, row].std(dim=0) + 1e-6
    distance = ((bank[:, row] - skin.detach().cpu().float()) / unit).square().sum(dim=1)
    return bank[distance.argsort(stable=True)[: max(ALIKE, BLENDED)]]


def _mixture(deviations: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(deviations), generator=generator)[:BLENDED]
    raw = torch.empty(BLENDED).exponential_(generator=generator)  # normalised: uniform on the simplex
    weights = EVENNESS / BLENDED + (1 - EVENNESS) * raw / raw.sum()
    return torch.einsum("n,nrd->rd", weights / weights.norm(), deviations[chosen])
