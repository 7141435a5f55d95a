"""A generator with identities to draw from: what anonymization needs beside a way from photographs to codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.types import LatentCodes, VeraError

VARIETY = 1.1
"""DECISION: truncation of identities mixed from faces: a little more than the bank's own variety; from about 1.3 on complexions leave the
neck's."""


class BankedGenerator(nn.Module):
    """A generator and a bank of identities; a subclass adds ``encode``, the way from photographs to codes.

    Args:
        generator: the generator that renders the codes.
        bank: number of identities in the bank; 0 until :meth:`fill_bank`.
        kinds: number of identities in each group of the bank, in the order of the groups' names; None for one group.
        axes: whether there are axes to refine along, see :func:`vera.inversion.axes.learn_axes`.
        truncation: scale of the codes' deviation from their mean in anonymization, where the generator's trained mapping draws the
            identities. None: the codes are an encoder's, and identities are mixed from faces' codes.

    Attributes:
        axes: ``(R, D, D)``, those of each local code in rows; None where none were learnt.

    """

    bank: Tensor
    mean: Tensor
    axes: Tensor | None

    def __init__(
        self,
        generator: Generator,
        *,
        bank: int = 0,
        kinds: Mapping[str, int] | None = None,
        axes: bool = False,
        truncation: float | None = None,
    ) -> None:
        super().__init__()
        # Bundles from before a mapping could draw identities do not say.
        self.config: dict[str, Any] = {"bank": bank, **({} if truncation is None else {"truncation": truncation})}
        self._name_kinds(kinds)
        self.generator = generator
        self.register_buffer("bank", torch.zeros(bank, generator.rows, generator.latent))
        self.register_buffer("mean", torch.zeros(generator.rows, generator.latent))
        self.take_axes(torch.eye(generator.latent).repeat(generator.rows, 1, 1) if axes else None)

    @property
    def size(self) -> int:
        """Side S of images and segmentations."""
        return self.generator.size

    @property
    def mapped(self) -> bool:
        """Whether local codes are those of the generator's mapping."""
        return "truncation" in self.config

    @property
    def truncation(self) -> float:
        """Scale of an identity's deviation from the mean where nobody asks for another; 1 is as various as the bank."""
        return float(self.config.get("truncation", VARIETY))

    def usual_codes(self, count: int) -> LatentCodes:
        """The mean of all faces' codes, ``count`` times: where a way to a face's codes starts without an encoder."""
        local = self.mean.expand(count, -1, -1)
        attributes = self.generator.mean_attributes() if self.mapped else self.generator.no_attributes(1, local)
        return LatentCodes(local, attributes.expand(count, -1))

    def fill_bank(self, identities: Float[Tensor, "n r d"], mean: Float[Tensor, "r d"], *, kinds: Mapping[str, int] | None = None) -> None:
        """Set the identities that anonymization draws from; they must be mixtures or drawn at random, no person's own codes.

        Args:
            identities: local codes of the identities; those of one group stand together, in the order of the groups' names.
            mean: mean of all faces' local codes.
            kinds: number of identities in each group, by name; None for one group.

        """
        self.bank, self.mean = identities.clone(), mean.clone()
        self.config["bank"] = len(identities)
        self._name_kinds(kinds)

    def keep_identities(self, chosen: Sequence[int]) -> None:
        """Keep these rows of the bank only.

        Args:
            chosen: indices of rows, rising.

        Raises:
            VeraError: nothing would be left of an identity group.

        """
        counts: dict[str, int] = {}
        start = 0
        for kind in self.kinds:
            end = start + self.config["kinds"][kind]
            counts[kind], start = sum(start <= number < end for number in chosen), end
            if not counts[kind]:
                raise VeraError(f"no identity of the group '{kind}' is left: draw more, or keep more")
        self.fill_bank(self.bank[list(chosen)], self.mean, kinds=counts or None)

    def take_axes(self, axes: Float[Tensor, "r d d"] | None) -> None:
        """Set the axes that refinement moves along; None for the codes' own coordinates."""
        self.register_buffer("axes", axes)
        self.config["axes"] = axes is not None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the identity groups; empty where there is only one."""
        return tuple(sorted(self.config["kinds"] or ()))

    def identities(self, kind: str | None) -> tuple[Float[Tensor, "n r d"], Float[Tensor, "r d"]]:
        """Rows of the bank that belong to an identity group, and their mean; for None all rows and the mean of all faces.

        Raises:
            VeraError: there is no such group.

        """
        if kind is None:
            return self.bank, self.mean
        if kind not in self.kinds:
            there = f"there are {', '.join(self.kinds)}" if self.kinds else "all are of one kind: ask for none"
            raise VeraError(f"the bundle's bank holds no identities of the kind '{kind}': {there}")
        counts = self.config["kinds"]
        start = sum(counts[name] for name in self.kinds[: self.kinds.index(kind)])
        rows = self.bank[start : start + counts[kind]]
        return rows, rows.mean(dim=0)

    def draw_bank(self, *, count: int, truncation: float, seed: int) -> None:
        """Fill the bank from the generator's mapping; the groups of a principal mapping become identity groups.

        Rows vary as the mapping does. They are truncated once, when an identity is drawn from them.

        Args:
            count: number of identities in the bank.
            truncation: scale at which identities are drawn from them; becomes :attr:`truncation`.
            seed: other seeds draw other identities.

        Raises:
            VeraError: the generator has no mapping.

        """
        generator = self.generator
        if generator.mapping is None:
            raise VeraError("the generator has no mapping, so no identity can be drawn from it: take a generator of stage 1 or 2")
        z = torch.randn(count, generator.latent, generator=torch.Generator().manual_seed(seed)).to(self.mean)
        with torch.no_grad():
            rows = generator.map(z, {name: z.new_zeros(count, width) for name, width in generator.attributes.items()}).local
        mean, kinds = generator.mean_code(), None
        if isinstance(generator.mapping, PrincipalMapping) and len(generator.mapping.means) > 1:
            groups = generator.mapping.kinds(z)
            rows = rows[groups.argsort(stable=True)]
            kinds = {f"group{number}": int((groups == number).sum()) for number in sorted(set(groups.tolist()))}
        self.fill_bank(rows, mean.expand_as(self.mean), kinds=kinds)
        self.config["truncation"] = truncation

    def empty_bank(self) -> None:
        """Remove identities and axes, valid for the network's present weights only, which will change; a mapping's mean stays."""
        self.fill_bank(self.bank[:0], self.mean if self.mapped else torch.zeros_like(self.mean))
        self.take_axes(None)

    def _name_kinds(self, kinds: Mapping[str, int] | None) -> None:
        bank = self.config["bank"]
        if kinds is not None and sum(kinds.values()) != bank:
            raise ValueError(f"kinds of {sum(kinds.values())} identities, and {bank} in the bank")
        self.config["kinds"] = dict(kinds) if kinds else None
