"""Encoder and generator together: the network of the default bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vera.generator.network import Generator, Synthesis
from vera.inversion.banked import BankedGenerator
from vera.inversion.encoder import Encoder
from vera.types import LatentCodes, VeraError, to_probabilities

MOST_PASSES = 5
"""As in ReStyle; a further pass costs a synthesis and an encoding, and moves less."""


def one_hot(segmentations: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k h w"]:
    """Convert class probabilities to one-hot: 1 for each pixel's most probable class, 0 for the others.

    Encoders are trained on masks. A trace of a class that is not there, which a parser's softmax and a generator's output always hold,
    would be pooled as if it were, far from anything that training has shown.

    Examples:
        >>> import torch
        >>> from vera.inversion.autoencoder import one_hot
        >>> one_hot(torch.tensor([0.2, 0.7, 0.1]).reshape(1, 3, 1, 1)).flatten()
        tensor([0., 1., 0.])

    """
    labels = segmentations.argmax(dim=1)
    return torch.nn.functional.one_hot(labels, segmentations.shape[1]).movedim(-1, 1).to(segmentations.dtype)


class Autoencoder(BankedGenerator):
    """A generator, the encoder into its latent space, and a bank of identities.

    Args:
        generator: constructor arguments of :class:`Generator`.
        encoder: constructor arguments of :class:`Encoder`, less what the generator fixes (size, latent, attributes).
        bank: number of identities in the bank; 0 until :meth:`fill_bank`.
        passes: passes of the encoder over a photograph, see :meth:`take_passes`; 1 for bundles from before stage 3.
        kinds: number of identities in each group of the bank, in the order of the groups' names; None for one group.
        axes: whether there are axes to refine along, see :func:`vera.inversion.axes.learn_axes`.
        truncation: truncation of identities drawn from the generator's mapping, for whose codes the encoder was trained (stage 3 of a
            generator); None: identities are mixed from faces.

    """

    def __init__(
        self,
        *,
        generator: Mapping[str, Any],
        encoder: Mapping[str, Any],
        bank: int,
        passes: int = 1,
        kinds: Mapping[str, int] | None = None,
        axes: bool = False,
        truncation: float | None = None,
    ) -> None:
        g = Generator(**generator)
        super().__init__(g, bank=bank, kinds=kinds, axes=axes, truncation=truncation)
        # What is rebuilt from this gets its weights elsewhere.
        self.config |= {"generator": dict(generator), "encoder": {**encoder, "pretrained": False}}
        self.encoder = Encoder(size=g.size, latent=g.latent, attributes=sum(g.attributes.values()), **encoder)
        self.take_passes(passes)

    @property
    def passes(self) -> int:
        """Passes of :meth:`encode` where nobody asks for another number."""
        return int(self.config["passes"])

    def take_passes(self, count: int) -> None:
        """Set the number of passes of :meth:`encode`.

        Raises:
            VeraError: more than :data:`MOST_PASSES` or fewer than one.

        """
        if not 1 <= count <= MOST_PASSES:
            raise VeraError(f"the encoder takes 1 to {MOST_PASSES} passes over a photograph, not {count}")
        self.config["passes"] = count

    def encode(
        self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"], *, passes: int | None = None
    ) -> LatentCodes:
        """Encode aligned faces as latent codes.

        Args:
            images: aligned faces, values in [-1, 1].
            segmentations: class probabilities, see :func:`one_hot`.
            passes: number of the encoder's passes, from the second on with its own reconstruction beside the image; None for
                :attr:`passes`.

        """
        codes: LatentCodes = self.encoder(images, one_hot(segmentations))
        for _ in range(1, self.passes if passes is None else passes):
            codes = self.encode_again(images, segmentations, codes, self.generator(codes))
        return codes

    def encode_again(
        self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"], codes: LatentCodes, made: Synthesis
    ) -> LatentCodes:
        """Encode once more, given the reconstruction of the pass before; no gradient flows into that pass.

        Args:
            images: aligned faces, values in [-1, 1].
            segmentations: class probabilities of these faces, sum 1 over the classes.
            codes: latent codes of the pass before.
            made: the generator's output for these codes.

        """
        so_far = codes.map(Tensor.detach), made.image.detach(), to_probabilities(made.segmentation.detach())
        improved: LatentCodes = self.encoder(images, one_hot(segmentations), so_far)
        return improved
