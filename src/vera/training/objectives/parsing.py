"""The objective of the parser: segment corrupted faces."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vera.data.corruption.corrupt import Corruption
from vera.data.sample import decode_images
from vera.faces.parsing_objective import ParsingObjective
from vera.faces.segmenter import Segmenter
from vera.rng import Draws
from vera.training.objectives.base import Faces, Phase, Terms


class Parsing(nn.Module):
    """Parsing objective: one network segments faces that are corrupted on the training device.

    Args:
        network: parser network that is trained.
        corruption: corruption of the faces, computed on the training device.
        objective: loss of a batch of parsed faces.

    """

    stage = "parsing"
    strength = None
    group = 1
    equal_rates = True
    draws: Draws

    def __init__(self, *, network: Segmenter, corruption: Corruption, objective: ParsingObjective) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # faster on CPUs and tensor cores
        self.corruption, self.objective = corruption, objective
        self.phases = [Phase("parsing", "segmenter", 1, 1, False, self.parse)]

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are trained, see :class:`vera.training.objectives.base.Objective`."""
        return {"segmenter": self.network}

    @property
    def averaged(self) -> nn.Module:
        """The parser's network."""
        return self.network

    def parse(self, faces: Faces) -> tuple[Tensor, Terms]:
        """Segment corrupted faces."""
        images, labels = self.corrupted(faces)
        losses, terms = self.objective(self.network(images.contiguous(memory_format=torch.channels_last)), labels)
        loss = losses.mean()
        return loss, {f"loss/{name}": value.mean() for name, value in terms.items()} | {"loss/total": loss}

    def corrupted(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """Faces as the network sees them: images ``(B, 3, S, S)`` in [-1, 1] and labels ``(B, S, S)``."""
        images = decode_images(faces.sample["image"])
        # The streams keep their first name: another one would be other random numbers.
        uniform = self.draws.uniform("disturbance", faces.indices, self.corruption.numbers)
        normal = self.draws.normal("disturbance/noise", faces.indices, self.corruption.normals(images.shape[-1]))
        return self.corruption(images, faces.sample["labels"], uniform, normal)

    def on_step_end(self, terms: Terms, *, images: int) -> None:
        """Do nothing: there is no state beside the weights."""
