"""LPIPS as a term of an objective: with a weight for each pixel."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from vera.features.lpips_network import LpipsNetwork, require_side


class WeightedLpips(LpipsNetwork):
    """LPIPS of each pair, its map averaged with a weight. Without one it is LPIPS, up to the enlargement of coarse maps.

    Args:
        net: ``alex``, ``vgg`` or ``squeeze``.
        path: path of the backbone's torchvision file; None for torch's hub folder, else a download.

    """

    def __init__(self, net: str = "vgg", path: str | Path | None = None) -> None:
        super().__init__(net, path)
        self.network.spatial = True

    def forward(
        self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"] | None = None
    ) -> Float[Tensor, "b"]:
        """Distance of each pair; no gradient flows into ``b``, the target.

        Args:
            a: images in [-1, 1].
            b: targets in [-1, 1].
            weight: weight of each pixel; None counts all alike.

        """
        require_side(a)
        distances: Tensor = self.network(a, b.detach())
        if weight is None:
            return distances.mean(dim=(1, 2, 3))
        return (distances * weight).mean(dim=(1, 2, 3)) / weight.mean(dim=(1, 2, 3))
