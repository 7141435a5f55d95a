"""The GAN objective of stage 1: generator and discriminator losses of each phase, and their state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vera.generator.adaptation import AdaptiveStrength
from vera.generator.augmentation import Augmentation
from vera.generator.network import Generator, Synthesis
from vera.generator.objective import (
    GeneratorWeights,
    advance_path_mean,
    generator_loss,
    mask_consistency,
    mix_styles,
    path_lengths,
    path_penalty,
)
from vera.generator.sampling import sample_codes
from vera.ops.precision import at_least_single
from vera.rng import Draws
from vera.training.objectives.base import AugmentedDiscriminator, Faces, Phase, Terms, penalise, tell_apart
from vera.types import LatentCodes

NETWORKS = ("generator", "discriminator")


class Adversaries(nn.Module):
    """GAN objective: a generator against a discriminator. All random numbers come from :attr:`draws`, which the run sets.

    Args:
        generator: generator with a mapping.
        discriminator: network from images and segmentations (2p - 1) to logits.
        augmentation: ADA augmentation of the discriminator's inputs; None for none.
        strength: adaptive strength of the augmentation; required with one.
        weights: weights of the loss terms.
        mixing: probability of style mixing.
        r1_every: steps from one R1 phase to the next; 0 for none.
        path_every: steps from one path-length phase to the next; 0 for none.
        path_shrink: the path-length phase takes this part of a batch, 1/n.
        compiler: torch.compile's backend for both networks (``inductor``); None runs them as they are, and so do the phases that
            differentiate twice, which torch.compile refuses.
        checkpointing: the generator recomputes activations in the backward pass (the discriminator has its own switch).

    """

    stage = "generator"
    equal_rates = False
    path_mean: Tensor
    draws: Draws

    def __init__(
        self,
        *,
        generator: Generator,
        discriminator: nn.Module,
        augmentation: Augmentation | None,
        strength: AdaptiveStrength | None,
        weights: GeneratorWeights,
        mixing: float,
        r1_every: int,
        path_every: int,
        path_shrink: int,
        compiler: str | None,
        checkpointing: bool,
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.generator.checkpointing = checkpointing
        self.augmentation, self.strength, self.judge = augmentation, strength, AugmentedDiscriminator(augmentation, strength)
        self.weights, self.mixing = weights, mixing
        self.register_buffer("path_mean", torch.zeros(()))
        prepared: Callable[[Any], Any] = partial(torch.compile, backend=compiler) if compiler else lambda network: network
        self._fast = {"generator": prepared(generator.synthesise), "discriminator": prepared(discriminator.forward)}
        self.phases = [
            Phase("discriminator", "discriminator", 1, 1, False, self.discriminate),
            Phase("r1", "discriminator", r1_every, 1, True, self.penalise_gradients),
            Phase("generator", "generator", 1, 1, False, self.generate),
            Phase("path", "generator", path_every, path_shrink, True, self.penalise_paths),
        ]

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are trained, see :class:`vera.training.objectives.base.Objective`."""
        return {name: getattr(self, name) for name in NETWORKS}

    @property
    def averaged(self) -> nn.Module:
        """The generator, whose average is exported."""
        return self.generator

    @property
    def group(self) -> int:
        """Number of samples that the discriminator compares in its minibatch standard deviation."""
        return int(getattr(self.discriminator, "group", 1))

    def discriminate(self, faces: Faces) -> tuple[Tensor, Terms]:
        """The discriminator's loss on real and generated faces."""
        with torch.no_grad():
            made = self._make("discriminator", faces)
        fake = self._judge("discriminator/fake", faces, made.image, made.segmentation)
        return tell_apart(self._judge("discriminator/real", faces, faces.images, faces.segmentations), fake)

    def penalise_gradients(self, faces: Faces) -> tuple[Tensor, Terms]:
        """R1 penalty with respect to the unaugmented real faces."""
        images, segmentations = faces.images.requires_grad_(), faces.segmentations.requires_grad_()
        logits = self._judge("r1", faces, images, segmentations, fast=False)
        weights = self.weights
        return penalise(logits, images, segmentations, image=weights.r1_image, segmentation=weights.r1_segmentation)

    def generate(self, faces: Faces) -> tuple[Tensor, Terms]:
        """The generator's loss: adversarial, and agreement of coarse and refined segmentation."""
        made = self._make("generator", faces)
        adversarial = generator_loss(self._judge("generator", faces, made.image, made.segmentation))
        mask = mask_consistency(made.coarse, made.segmentation)
        return adversarial + self.weights.mask * mask, {"loss/adversarial": adversarial, "loss/mask": mask}

    def penalise_paths(self, faces: Faces) -> tuple[Tensor, Terms]:
        """Path-length penalty: equal steps in the codes change the image equally much; the mapping is excluded."""
        with torch.no_grad():
            codes = self._codes("path", faces)
            layers = self.generator.expand(codes)
        layers = layers.requires_grad_()
        image = self.generator.synthesise(layers, codes.attributes, self._noise("path", faces)).image
        direction = self.draws.normal("path/direction", faces.indices, *image.shape[1:])
        lengths = path_lengths(image, layers, direction)
        penalty = path_penalty(lengths, self.path_mean)
        return self.weights.path * penalty, {"path/penalty": penalty, "path/length": lengths.mean()}

    @torch.no_grad()
    def on_step_end(self, terms: Terms, *, images: int) -> None:
        """End of a step: update path-length mean and augmentation strength from the terms, reduced over all processes."""
        if "path/length" in terms:
            self.path_mean.copy_(advance_path_mean(self.path_mean, terms["path/length"]))
        if self.strength is not None:
            self.strength.update(float(terms["logits/sign"]) * images, images)

    def _make(self, stream: str, faces: Faces) -> Synthesis:
        codes = self._codes(stream, faces)
        made = self._fast["generator"](self.generator.expand(codes), codes.attributes, self._noise(stream, faces))
        return Synthesis(*map(at_least_single, made))

    def _codes(self, stream: str, faces: Faces) -> LatentCodes:
        with torch.autocast(self.path_mean.device.type, enabled=False):
            first, second = (  # of the same attributes
                sample_codes(self.generator, self.draws, f"{stream}/z{n}", faces.indices, attributes=f"{stream}/z/") for n in range(2)
            )
        choice = self.draws.uniform(f"{stream}/mixing", faces.indices, 1 + self.generator.classes)
        return mix_styles(first, second, choice, probability=self.mixing)

    def _noise(self, stream: str, faces: Faces) -> list[Tensor]:
        return self.draws.maps(f"{stream}/noise", faces.indices, self.generator.noise_sides)

    def _judge(self, stream: str, faces: Faces, images: Tensor, segmentations: Tensor, *, fast: bool = True) -> Tensor:
        judge = self._fast["discriminator"] if fast else self.discriminator
        return self.judge(judge, images, segmentations, draws=self.draws, stream=stream, indices=faces.indices)
