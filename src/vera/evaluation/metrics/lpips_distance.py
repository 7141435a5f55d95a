"""LPIPS between anonymized and original faces: how much of the photograph's look is left."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import Metric

from vera.types import VeraError


class LpipsDistance(Metric):
    """Mean LPIPS over pairs.

    Args:
        network: two batches of images to one distance a pair, with a ``name`` (:class:`vera.features.lpips_network.LpipsNetwork`).

    """

    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, network: nn.Module, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network.eval().requires_grad_(False)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @property
    def name(self) -> str:
        """The network's: ``lpips_alex``, for example."""
        return str(self.network.name)

    @torch.no_grad()
    def update(self, images: Float[Tensor, "b 3 h w"], originals: Float[Tensor, "b 3 h w"]) -> None:
        """Add pairs of images in [-1, 1]."""
        distances = self.network(images, originals)
        self.total = self.total + distances.double().sum()
        self.count = self.count + len(distances)

    def compute(self) -> Tensor:
        """Mean, ``()``.

        Raises:
            VeraError: no pair was given.

        """
        if not int(self.count):
            raise VeraError("a mean LPIPS needs at least one pair of images")
        mean: Tensor = self.total / self.count
        return mean
