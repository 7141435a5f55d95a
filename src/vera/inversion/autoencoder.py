"""Encoder and generator together: the network of the default bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.network import Generator, Synthesis
from vera.inversion.encoder import Encoder
from vera.types import LatentCodes, VeraError, to_probabilities

MOST_PASSES = 5
"""As in ReStyle; a further pass costs a synthesis and an encoding, and moves less."""


def decided(segmentations: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """Each pixel of its most probable class alone: 1 and 0.

    Encoders are trained on masks. A trace of a class that is not there, which a parser's softmax and a generator's output always hold,
    would be pooled as if it were, far from anything that training has shown.
    """
    labels = segmentations.argmax(dim=1)
    return torch.nn.functional.one_hot(labels, segmentations.shape[1]).movedim(-1, 1).to(segmentations.dtype)


class Autoencoder(nn.Module):
    """A generator, the encoder into its latent space, and a bank of identities.

    Args:
        generator: constructor arguments of :class:`Generator`.
        encoder: constructor arguments of :class:`Encoder`, less what the generator fixes (size, latent, attributes).
        bank: number of identities in the bank; 0 until :meth:`fill_bank`.
        passes: of the encoder over a photograph, see :meth:`take_passes`. A bundle from before stage 3 does not say: one.
        kinds: how many identities of the bank are of each kind, in the order of their names; None where all are of one.
        axes: whether there are axes to refine along, see :func:`vera.inversion.axes.learn_axes`.

    Attributes:
        axes: ``(R, D, D)``, those of each local code in rows; None where none were learnt.

    """

    bank: Tensor
    mean: Tensor
    axes: Tensor | None

    def __init__(
        self,
        *,
        generator: Mapping[str, Any],
        encoder: Mapping[str, Any],
        bank: int,
        passes: int = 1,
        kinds: Mapping[str, int] | None = None,
        axes: bool = False,
    ) -> None:
        super().__init__()
        # What is rebuilt from this gets its weights elsewhere.
        self.config: dict[str, Any] = {"generator": dict(generator), "encoder": {**encoder, "pretrained": False}, "bank": bank}
        self._name_kinds(kinds)
        self.generator = Generator(**generator)
        g = self.generator
        self.encoder = Encoder(size=g.size, latent=g.latent, attributes=sum(g.attributes.values()), **encoder)
        self.take_passes(passes)
        self.register_buffer("bank", torch.zeros(bank, g.rows, g.latent))
        self.register_buffer("mean", torch.zeros(g.rows, g.latent))
        self.take_axes(torch.eye(g.latent).repeat(g.rows, 1, 1) if axes else None)

    @property
    def size(self) -> int:
        """Side S of images and segmentations."""
        return self.generator.size

    @property
    def passes(self) -> int:
        """Passes of :meth:`encode` where nobody asks for another number."""
        return int(self.config["passes"])

    def take_passes(self, count: int) -> None:
        """From now on encode in so many passes.

        Raises:
            VeraError: more than :data:`MOST_PASSES` or fewer than one.

        """
        if not 1 <= count <= MOST_PASSES:
            raise VeraError(f"the encoder takes 1 to {MOST_PASSES} passes over a photograph, not {count}")
        self.config["passes"] = count

    def encode(
        self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"], *, passes: int | None = None
    ) -> LatentCodes:
        """Latent codes.

        Args:
            images: in [-1, 1].
            segmentations: class probabilities, see :func:`decided`.
            passes: how often the encoder looks, from the second time on at its own reconstruction, too; None for :attr:`passes`.

        """
        codes: LatentCodes = self.encoder(images, decided(segmentations))
        for _ in range(1, self.passes if passes is None else passes):
            codes = self.encode_again(images, segmentations, codes, self.generator(codes))
        return codes

    def encode_again(
        self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"], codes: LatentCodes, made: Synthesis
    ) -> LatentCodes:
        """A further pass. It learns its own step: no gradient flows into the pass before.

        Args:
            images: in [-1, 1].
            segmentations: class probabilities.
            codes: of the pass before.
            made: what the generator makes of them.

        """
        so_far = codes.map(Tensor.detach), made.image.detach(), to_probabilities(made.segmentation.detach())
        improved: LatentCodes = self.encoder(images, decided(segmentations), so_far)
        return improved

    def fill_bank(self, identities: Float[Tensor, "n r d"], mean: Float[Tensor, "r d"], *, kinds: Mapping[str, int] | None = None) -> None:
        """Set the identities that anonymization draws from; they must be mixtures, no person's own codes.

        Args:
            identities: those of one kind stand together, in the order of the kinds' names.
            mean: of all faces' codes.
            kinds: how many are of each kind; None where all are of one.

        """
        self.bank, self.mean = identities.clone(), mean.clone()
        self.config["bank"] = len(identities)
        self._name_kinds(kinds)

    def take_axes(self, axes: Float[Tensor, "r d d"] | None) -> None:
        """From now on refine along these; None for the numbers of the codes as they are."""
        self.register_buffer("axes", axes)
        self.config["axes"] = axes is not None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of identities; none where there is one kind."""
        return tuple(sorted(self.config["kinds"] or ()))

    def identities(self, kind: str | None) -> tuple[Float[Tensor, "n r d"], Float[Tensor, "r d"]]:
        """Rows of the bank that are of a kind, and their mean; for None all of them and the mean of all faces.

        Raises:
            VeraError: there is no such kind.

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

    def _name_kinds(self, kinds: Mapping[str, int] | None) -> None:
        bank = self.config["bank"]
        if kinds is not None and sum(kinds.values()) != bank:
            raise ValueError(f"kinds of {sum(kinds.values())} identities, and {bank} in the bank")
        self.config["kinds"] = dict(kinds) if kinds else None

    def empty_bank(self) -> None:
        """Forget the identities and the axes: the network changes, and codes mean nothing to another one."""
        self.fill_bank(self.bank[:0], torch.zeros_like(self.mean))
        self.take_axes(None)
