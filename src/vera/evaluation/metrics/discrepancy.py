"""Maximum mean discrepancy under a Gaussian kernel between two sets of images; on CLIP's vectors it is the CMMD."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.distance import cdist
from torch import Tensor

from vera.distributed import Collected
from vera.features.pooled import PooledFeatures
from vera.types import Matrix, VeraError

BANDWIDTH, SCALE = 10.0, 1000.0
"""Standard deviation of the kernel, and what the result is multiplied by (Jayasumana et al., 2024)."""


class MeanDiscrepancy(Collected):
    """Squared maximum mean discrepancy, times 1000, with the diagonals (the biased estimate, never negative).

    Source: Jayasumana et al., "Rethinking FID" (CVPR 2024), whose figures are on CLIP ViT-L/14 at 336 pixels, vectors of length 1.

    Args:
        features: a frozen network from images ``(B, 3, H, W)`` in [-1, 1] to vectors ``(B, D)``; they are brought to length 1.

    """

    higher_is_better = False
    is_differentiable = False

    def __init__(self, features: PooledFeatures, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features.eval().requires_grad_(False)
        self.add_column("real", torch.float64)
        self.add_column("made", torch.float64)

    @property
    def name(self) -> str:
        """``cmmd`` on CLIP, ``mmd_<features>`` on anything else."""
        return "cmmd" if self.features.short == "clip" else f"mmd_{self.features.short}"

    @torch.no_grad()
    def update(self, images: Float[Tensor, "b 3 h w"], real: bool) -> None:
        """Add images in [-1, 1] to one side."""
        vectors = self.features(images).double()
        self.append("real" if real else "made", vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-12))

    def compute(self) -> float:
        """The discrepancy.

        Raises:
            VeraError: no image on a side.

        """
        real, made = (self._sorted(side) for side in ("real", "made"))
        if not len(real) or not len(made):
            raise VeraError(f"a discrepancy needs images on both sides, there are {len(real)} real and {len(made)} generated ones")
        return SCALE * (_mean(real, real) + _mean(made, made) - 2 * _mean(real, made))

    def _sorted(self, side: str) -> Matrix:
        values = self.column(side)
        table = values.reshape(-1, self.features.dimension)
        return np.asarray(table[np.lexsort(table.T[:3])])


def _mean(first: Matrix, second: Matrix) -> float:
    return float(np.exp(-cdist(first, second, "sqeuclidean") / (2 * BANDWIDTH**2)).mean())
