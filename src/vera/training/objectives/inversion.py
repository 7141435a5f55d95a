"""The objective of stage 3: train the encoder to invert a frozen generator, in several passes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vera.generator.network import Synthesis
from vera.inversion.autoencoder import Autoencoder, one_hot
from vera.inversion.drawing import drawn_codes
from vera.inversion.objective import InversionObjective
from vera.ops.precision import at_least_single
from vera.rng import Draws
from vera.training.objectives.autoencoder import MIXED, mixed
from vera.training.objectives.base import Faces, Phase, Terms
from vera.types import LatentCodes, VeraError


class Inversion(nn.Module):
    """Inversion objective: encode photographs and generated faces in several passes, with a reconstruction loss for each pass.

    The generator takes its stored noise throughout, as it does when a photograph is anonymized: equal codes are equal faces.

    Args:
        network: encoder and frozen generator, see :func:`vera.training.build.networks.inversion`; its own number of passes is trained.
            For the codes of a mapping, generated faces are drawn from it; otherwise they are mixed from codes of photographs.
        objective: loss of a reconstruction.
        pass_weights: one a pass: how much its loss counts.
        generated: share of the faces that are generated, in the place of photographs; their true codes are known.

    Raises:
        VeraError: another number of weights than passes, a generator that is not frozen, or a share outside 0 to 1.

    """

    stage = "inversion"
    equal_rates = False
    strength = None
    draws: Draws

    def __init__(self, *, network: Autoencoder, objective: InversionObjective, pass_weights: Sequence[float], generated: float) -> None:
        super().__init__()
        if len(pass_weights) != network.passes:
            raise VeraError(f"{network.passes} passes are trained and {len(pass_weights)} weights given: one weight for each pass")
        if any(parameter.requires_grad for parameter in network.generator.parameters()):
            raise VeraError("inversion trains the encoder against a frozen generator, and this one is not: freeze it")
        if not 0 <= generated <= 1:
            raise VeraError(f"generated={generated}: the share of generated faces is between 0 and 1")
        self.network, self.objective, self.pass_weights, self.generated = network, objective, list(pass_weights), generated
        # What the generator was trained with mixes the codes: those of an encoder that learns from its own would shrink.
        self.origin = None if network.mapped else copy.deepcopy(network.encoder).requires_grad_(False)
        if network.mapped:
            objective.take_centre(network.usual_codes(1))
        self.phases = [Phase("inversion", "autoencoder", 1, 1, False, self.invert)]
        self.train()  # Lightning starts with the modes that it finds

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The one network; only its encoder is trained (see :class:`vera.training.objectives.base.Objective`)."""
        return {"autoencoder": self.network}

    @property
    def averaged(self) -> nn.Module:
        """Encoder and generator; the frozen generator's average is the generator itself."""
        return self.network

    @property
    def group(self) -> int:
        """Number of faces that are mixed with each other."""
        return MIXED if self.generated and self.origin is not None else 1

    def train(self, mode: bool = True) -> Inversion:
        """Keep the encoder's BatchNorm in eval mode.

        Batch statistics differ between passes and do not exist for one photograph.
        """
        super().train(mode)
        self.network.encoder.standardise.eval()
        if self.origin is not None:
            self.origin.eval()
        return self

    def invert(self, faces: Faces) -> tuple[Tensor, Terms]:
        """Reconstruction losses of all passes, weighted and summed."""
        images, segmentations = faces.images, (faces.segmentations + 1) / 2
        if images.shape[-1] != self.network.size:
            raise VeraError(f"faces are {images.shape[-1]} px wide, the bundle's {self.network.size}: set data.dataset.size to that")
        count, true = round(self.generated * len(faces)), None
        if count:  # the first so many, of the batch, too, wherever it is split: micro-batches are dealt round-robin
            true, made = self._generate(faces, images, segmentations, count)
            images = torch.cat([made.image.clamp(-1, 1), images[count:]])
            segmentations = torch.cat([one_hot(made.segmentation), segmentations[count:]])  # as masks are
        codes = self.network.encode(images, segmentations, passes=1)
        total = images.new_zeros(())
        terms: Terms = {}
        for number, weight in enumerate(self.pass_weights, start=1):
            made = self._make(codes)
            losses = []
            for kind, part, known in (("generated", slice(0, count), true), ("real", slice(count, None), None)):
                if len(images[part]):
                    some = Synthesis(*(whole[part] for whole in made))
                    values, parts = self.objective(some, _floats(codes, part), images[part], segmentations[part], known)
                    losses.append(values)
                    terms |= {f"{kind}/{number}/{name}": value.mean() for name, value in parts.items()}
            loss = torch.cat(losses).mean()
            terms[f"loss/pass{number}"] = loss
            total = total + weight * loss
            if number < len(self.pass_weights):
                codes = self.network.encode_again(images, segmentations, codes, made)
        return total, terms

    def on_step_end(self, terms: Terms, *, images: int) -> None:
        """End of a step: this objective has no state to update."""

    @torch.no_grad()
    def _generate(self, faces: Faces, images: Tensor, segmentations: Tensor, count: int) -> tuple[LatentCodes, Synthesis]:
        """Generate faces, from the mapping or from mixed codes of the bundle's own encoder, with these codes as the truth."""
        if self.origin is None:
            drawn = drawn_codes(self.network.generator, self.draws, "inversion", faces.indices[:count])
        else:
            drawn = mixed("inversion", faces, self.origin(images, segmentations), self.draws)
        codes = _floats(drawn, slice(0, count))
        return codes, self._make(codes)

    def _make(self, codes: LatentCodes) -> Synthesis:
        made: Any = self.network.generator(codes)
        return Synthesis(*map(at_least_single, made))


def _floats(codes: LatentCodes, part: slice) -> LatentCodes:
    return codes.map(lambda whole: at_least_single(whole[part]))
