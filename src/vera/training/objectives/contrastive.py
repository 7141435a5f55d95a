"""The objective of stage 2: stage 1's GAN losses with contrastive attribute learning of the generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vera.attributes.mirrored import mirror
from vera.attributes.objective import ContrastiveObjective
from vera.generator.network import Generator, Synthesis
from vera.ops.precision import at_least_single
from vera.training.objectives.base import Faces, Terms
from vera.training.objectives.gan import Adversaries
from vera.types import VeraError, to_probabilities


class Learner(nn.Module):
    """Generator and projection heads, trained by one optimizer. Only the generator is averaged and exported.

    Args:
        generator: the generator that is trained.
        heads: projection heads, trained with the generator.

    """

    def __init__(self, generator: Generator, heads: nn.Module) -> None:
        super().__init__()
        self.generator, self.heads, self.config = generator, heads, generator.config


class ContrastiveAdversaries(Adversaries):
    """GAN objective of stage 1 with contrastive attribute losses on a mirrored batch in the generator's phase.

    Args:
        contrast: the attributes' encoders, heads and loss.
        mirroring: False for the paper's ablation, see :func:`vera.attributes.mirrored.mirror`.
        shared_noise: all faces of a group get the same injected noise. DECISION: False. Shared, the noise tells which faces belong
            together, and a small generator learns to draw its attributes from the noise instead of the codes (experiments/contrastive).
        contrast_shrink: one in n faces of a micro-batch becomes an anchor, that is ``1 + 2A`` generated faces.
        **adversaries: further arguments, those of :class:`vera.training.objectives.gan.Adversaries`.

    Raises:
        VeraError: the generator has other attributes than there are encoders.

    """

    stage = "contrastive"

    def __init__(
        self, *, contrast: ContrastiveObjective, mirroring: bool, shared_noise: bool, contrast_shrink: int, **adversaries: Any
    ) -> None:
        super().__init__(**adversaries)
        if set(contrast.encoders) != set(self.generator.attributes):
            raise VeraError(
                f"the generator has the attributes {sorted(self.generator.attributes)}, the encoders read {sorted(contrast.encoders)}: "
                "start from a bundle without attributes, or choose the same"
            )
        self.contrast, self.mirroring, self.shared_noise, self.contrast_shrink = contrast, mirroring, shared_noise, contrast_shrink

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are trained: generator with heads, discriminator."""
        return {**super().networks, "generator": Learner(self.generator, self.contrast.heads)}

    def generate(self, faces: Faces) -> tuple[Tensor, Terms]:
        """The generator's loss of stage 1, and the contrastive loss of each attribute."""
        loss, terms = super().generate(faces)
        losses = self.contrasts(faces[: len(faces) // self.contrast_shrink or 1])
        return loss + self.contrast.total(losses), terms | {f"contrast/{name}": value for name, value in losses.items()}

    def contrasts(self, faces: Faces) -> dict[str, Tensor]:
        """Unweighted contrastive loss of each attribute.

        Anchors are generated, keyed by the global indices of ``faces``; no style mixing.
        """
        batch = mirror(
            self.draws.normal,
            faces.indices,
            latent=self.generator.latent,
            attributes=self.generator.attributes,
            hard_negatives=self.mirroring,
        )
        device = self.path_mean.device.type
        with torch.autocast(device, enabled=False):
            codes = self.generator.map(batch.z, batch.attributes)
        places = range(len(batch.z) // len(faces))  # in a group; the batch is ordered by place, then by anchor
        drawn = [self._noise(f"contrast/{0 if self.shared_noise else place}", faces) for place in places]
        noise = [torch.cat(maps) for maps in zip(*drawn, strict=True)]
        made = Synthesis(*map(at_least_single, self._fast["generator"](self.generator.expand(codes), codes.attributes, noise)))
        with torch.autocast(device, enabled=False):  # differences of centroids and fits are small: float32
            values = self.contrast.read(made.image, to_probabilities(made.segmentation))
            losses: dict[str, Tensor] = self.contrast(values, batch.shares)
            return losses
