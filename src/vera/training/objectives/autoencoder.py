"""The autoencoder objective: encoder and generator together, with an optional discriminator (the default bundle's recipe)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vera.generator.adaptation import AdaptiveStrength
from vera.generator.augmentation import Augmentation
from vera.generator.network import Synthesis
from vera.generator.objective import generator_loss, mask_consistency
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.bank import mix_within
from vera.inversion.objective import InversionObjective
from vera.ops.precision import at_least_single
from vera.rng import Draws
from vera.training.objectives.base import AugmentedDiscriminator, Faces, Phase, Terms, penalise, tell_apart
from vera.types import LatentCodes, Semantic

SURROUND = (Semantic.BACKGROUND, Semantic.HAIR, Semantic.NECK, Semantic.CLOTHES, Semantic.HAT)
PRESERVABLE = (Semantic.EYES, Semantic.NOSE, Semantic.MOUTH)
"""Classes that anonymization may preserve."""
UNMIXED, WITH_OWN_SURROUND, WITH_OWN_PART = 0.25, 0.5, 0.25
"""DECISION: how often a judged face is the plain reconstruction; has the photograph's own surround; has its own eyes, nose or mouth."""
BALANCED_EVERY = 16
"""Steps from one look at the two gradients to the next."""
BALANCE = 100.0
"""The largest ratio of gradients that is made up for: a discriminator that knows nothing yet has none."""
MIXED = 4
"""DECISION: faces in a mixture, and so the group that a batch is dealt in."""


@dataclass(frozen=True)
class AdversarialWeights:
    """Weights of the terms beside those of the reconstruction.

    Attributes:
        adversarial: weight of the generator's loss against the discriminator, relative to the reconstruction: the gradients of the two
            in the last layer have this ratio (Esser et al. 2021, equation 7), whatever the scales of the losses are.
        mask: weight of mask consistency of mixed faces.
        r1_image: γ of R1 on the image; the term is ``γ/2 E |∇|²``.
        r1_segmentation: γ of R1 on the segmentation.

    """

    adversarial: float
    mask: float
    r1_image: float
    r1_segmentation: float


class Reconstruction(nn.Module):
    """Autoencoder objective: reconstruct faces, and make faces with mixed codes look as real as photographs.

    Mixed are the codes that anonymization mixes: an identity from several faces' local codes, over the photograph's base codes, with
    or without its surround and single parts of the face. Without a discriminator it is a plain autoencoder.

    Args:
        network: encoder and generator that are trained together.
        objective: loss of a reconstruction.
        discriminator: network from images and segmentations (2p - 1) to logits; None trains a plain autoencoder.
        augmentation: ADA augmentation of the discriminator's inputs; None for none.
        strength: adaptive strength of the augmentation; required with one.
        weights: weights of the terms beside the reconstruction's.
        r1_every: steps from one R1 phase to the next; 0 for none.
        begin: images that are reconstructed before the discriminator comes in: against noise it learns nothing of use.
        compiler: torch.compile's backend for encoder, generator and discriminator (``inductor``); None runs them as they are.

    """

    stage = "autoencoder"
    equal_rates = False
    balance: Tensor
    draws: Draws

    def __init__(
        self,
        *,
        network: Autoencoder,
        objective: InversionObjective,
        discriminator: nn.Module | None,
        augmentation: Augmentation | None,
        strength: AdaptiveStrength | None,
        weights: AdversarialWeights,
        r1_every: int,
        begin: int,
        compiler: str | None,
    ) -> None:
        super().__init__()
        self.network, self.objective, self.discriminator = network, objective, discriminator
        self.weights, self.strength, self.judge = weights, strength, AugmentedDiscriminator(augmentation, strength)
        self.begin = begin
        self.register_buffer("balance", torch.zeros(()))  # of the two gradients, a running mean
        prepared: Callable[[Any], Any] = partial(torch.compile, backend=compiler) if compiler else lambda function: function
        self._encode, self._synthesise = prepared(network.encoder.forward), prepared(network.generator.synthesise)
        self._discriminate = prepared(discriminator.forward) if discriminator is not None else None
        self.phases = [Phase("autoencoder", "autoencoder", 1, 1, False, self.reconstruct)]
        if discriminator is not None:
            self.phases = [
                Phase("discriminator", "discriminator", 1, 1, False, self.discriminate, begin),
                Phase("r1", "discriminator", r1_every, 1, True, self.penalise_gradients, begin),
                *self.phases,
            ]

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are trained, see :class:`vera.training.objectives.base.Objective`."""
        found: dict[str, nn.Module] = {"autoencoder": self.network}
        if self.discriminator is not None:
            found["discriminator"] = self.discriminator
        return found

    @property
    def averaged(self) -> nn.Module:
        """Encoder and generator, whose average is exported."""
        return self.network

    @property
    def group(self) -> int:
        """Number of faces that are mixed or compared with each other."""
        return max(MIXED, int(getattr(self.discriminator, "group", 1))) if self.discriminator is not None else 1

    def reconstruct(self, faces: Faces) -> tuple[Tensor, Terms]:
        """Reconstruction loss; with a discriminator also the adversarial loss and mask consistency of mixed faces."""
        images, segmentations = faces.images, (faces.segmentations + 1) / 2
        codes: LatentCodes = self._encode(images, segmentations)
        losses, parts = self.objective(self._make("reconstruction", faces, codes), codes, images, segmentations)
        loss, terms = losses.mean(), {f"loss/{name}": value.mean() for name, value in parts.items()}
        step, batch = faces.step
        if self.discriminator is None or step * batch < self.begin:
            return loss, terms
        made = self._make("mixed", faces, mixed("mixed", faces, codes, self.draws))
        adversarial = generator_loss(self._judged("mixed", faces, made.image, made.segmentation))
        mask = mask_consistency(made.coarse, made.segmentation)
        terms |= {"loss/reconstruction": loss, "loss/adversarial": adversarial, "loss/mask": mask}
        if step % BALANCED_EVERY == 0:
            terms["balance"] = self._balance(loss, adversarial)
        return loss + self.weights.adversarial * self.balance * adversarial + self.weights.mask * mask, terms

    def _balance(self, loss: Tensor, adversarial: Tensor) -> Tensor:
        """Ratio of the reconstruction's gradient norm to the adversarial one's in the last layer."""
        last = self.network.generator.renderer.convs[-1].get_parameter("weight")
        norms = [torch.autograd.grad(part, last, retain_graph=True)[0].norm() for part in (loss, adversarial)]
        ratio: Tensor = norms[0] / (norms[1] + 1e-6)
        return ratio.clamp(max=BALANCE)

    def discriminate(self, faces: Faces) -> tuple[Tensor, Terms]:
        """The discriminator's loss on photographs and mixed faces."""
        images, segmentations = faces.images, faces.segmentations
        with torch.no_grad():
            codes: LatentCodes = self._encode(images, (segmentations + 1) / 2)
            made = self._make("discriminator", faces, mixed("discriminator", faces, codes, self.draws))
        fake = self._judged("discriminator/fake", faces, made.image, made.segmentation)
        return tell_apart(self._judged("discriminator/real", faces, images, segmentations), fake)

    def penalise_gradients(self, faces: Faces) -> tuple[Tensor, Terms]:
        """R1 penalty with respect to the unaugmented photographs."""
        images, segmentations = faces.images.requires_grad_(), faces.segmentations.requires_grad_()
        logits = self._judged("r1", faces, images, segmentations, fast=False)
        weights = self.weights
        return penalise(logits, images, segmentations, image=weights.r1_image, segmentation=weights.r1_segmentation)

    def on_step_end(self, terms: Terms, *, images: int) -> None:
        """End of a step: update the augmentation strength and the balance of the two gradients."""
        if "balance" in terms:
            started = self.balance > 0
            self.balance.copy_(torch.where(started, torch.lerp(self.balance, terms["balance"], 0.2), terms["balance"]))
        if self.strength is not None and "logits/sign" in terms:
            self.strength.update(float(terms["logits/sign"]) * images, images)

    def _make(self, stream: str, faces: Faces, codes: LatentCodes) -> Synthesis:
        generator = self.network.generator
        noise = self.draws.maps(f"{stream}/noise", faces.indices, generator.noise_sides)
        made = self._synthesise(generator.expand(codes), codes.attributes, noise)
        return Synthesis(*map(at_least_single, made))

    def _judged(self, stream: str, faces: Faces, images: Tensor, segmentations: Tensor, *, fast: bool = True) -> Tensor:
        discriminator: Any = self._discriminate if fast else self.discriminator
        return self.judge(discriminator, images, segmentations, draws=self.draws, stream=stream, indices=faces.indices)


def mixed(stream: str, faces: Faces, codes: LatentCodes, draws: Draws) -> LatentCodes:
    """Mix latent codes as anonymization does: within each face's group, keeping the photograph's base codes and own rows.

    Args:
        stream: name of the random stream of these faces.
        faces: faces that the codes belong to.
        codes: latent codes of all these faces.
        draws: keyed random numbers of the run.

    """
    local = at_least_single(codes.local)
    mixtures = mix_within(local, draws.normal(f"{stream}/weights", faces.indices, MIXED))
    own = own_rows(draws.uniform(f"{stream}/own", faces.indices, 2 + len(PRESERVABLE)), rows=local.shape[1])
    return codes.with_local(torch.where(own[..., None], local, mixtures))


def own_rows(uniform: Tensor, *, rows: int) -> Tensor:
    """Choose the local codes of a mixed face that stay its photograph's, ``(B, rows)``; base codes always do.

    Args:
        uniform: ``(B, 2 + parts)`` in [0, 1).
        rows: number of local codes.

    """
    own = torch.zeros(len(uniform), rows, dtype=torch.bool, device=uniform.device)
    own[:, :2] = True
    own[:, LatentCodes.rows(SURROUND)] = uniform[:, 1:2] < WITH_OWN_SURROUND
    for number, part in enumerate(PRESERVABLE):
        own[:, LatentCodes.rows([part])] |= uniform[:, 2 + number, None] < WITH_OWN_PART
    return own | (uniform[:, :1] < UNMIXED)
