"""Maximum mean discrepancies between two sets of images: the kernel distance (on Inception features the KID), and CMMD (on CLIP's)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.distance import cdist
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from vera.distributed import Collected
from vera.evaluation.metrics.base import TwoSets
from vera.features.pooled import PooledFeatures
from vera.types import Matrix, VeraError

BANDWIDTH, SCALE = 10.0, 1000.0
"""Standard deviation of CMMD's kernel, and what the result is multiplied by (Jayasumana et al., 2024)."""


class KernelDistance(Collected, TwoSets):
    """Unbiased squared maximum mean discrepancy under ``(x·y / D + 1)³``, mean over subsets (Bińkowski et al., 2018).

    Unlike a Fréchet distance it has no bias in few images; it can be slightly negative. The vectors are sorted before subsets are
    drawn from them, as torch-fidelity draws them: the result does not depend on how images were dealt to processes.

    Args:
        features: a frozen network from images to vectors, as in :class:`vera.evaluation.metrics.frechet.FrechetDistance`.
        subsets: number of subsets that are drawn.
        subset_size: images of each side in a subset.
        seed: seed of the subsets; 2020 is torch-fidelity's.

    """

    higher_is_better = False
    is_differentiable = False

    def __init__(self, features: PooledFeatures, *, subsets: int, subset_size: int, seed: int = 2020, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features.eval().requires_grad_(False)
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed
        self.add_column("real", torch.float64)
        self.add_column("made", torch.float64)

    @property
    def name(self) -> str:
        """``kid`` on Inception, ``kernel_<features>`` on anything else."""
        return "kid" if self.features.short == "inception" else f"kernel_{self.features.short}"

    @torch.no_grad()
    def update(self, images: Float[Tensor, "b 3 h w"], real: bool) -> None:
        """Add images in [-1, 1] to one side."""
        self.append("real" if real else "made", self.features(images))

    def compute(self) -> dict[str, float]:
        """Mean and standard deviation over subsets, and the subsets' number and size.

        Raises:
            VeraError: fewer images on a side than a subset has.

        """
        real, made = (_sorted(self, side) for side in ("real", "made"))
        if min(len(real), len(made)) < self.subset_size or self.subset_size < 2:
            raise VeraError(
                f"a kernel distance over subsets of {self.subset_size} needs as many images on each side, "
                f"there are {len(real)} real and {len(made)} generated ones: take smaller subsets (at least 2) or more images"
            )
        random = np.random.RandomState(self.seed)
        values = []
        for _ in range(self.subsets):
            first, second = (torch.from_numpy(s[random.choice(len(s), self.subset_size, replace=False)]) for s in (real, made))
            values.append(float(poly_mmd(first, second)))
        moments = {"mean": float(np.mean(values)), "std": float(np.std(values))}
        return {**moments, "subsets": self.subsets, "subset_size": self.subset_size}


class MeanDiscrepancy(Collected, TwoSets):
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
        real, made = (_sorted(self, side) for side in ("real", "made"))
        if not len(real) or not len(made):
            raise VeraError(f"a discrepancy needs images on both sides, there are {len(real)} real and {len(made)} generated ones")
        return SCALE * (_mean(real, real) + _mean(made, made) - 2 * _mean(real, made))


def _mean(first: Matrix, second: Matrix) -> float:
    return float(np.exp(-cdist(first, second, "sqeuclidean") / (2 * BANDWIDTH**2)).mean())


def _sorted(metric: KernelDistance | MeanDiscrepancy, side: str) -> Matrix:
    """The vectors of one side, ``(N, D)``, in an order that does not depend on how images were dealt to processes."""
    table = metric.column(side).reshape(-1, metric.features.dimension)
    return np.asarray(table[np.lexsort(table.T[:3])])
