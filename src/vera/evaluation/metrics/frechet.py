"""Fréchet distance between two sets of images (Heusel et al., 2017), on any frozen network's vectors.

On Inception features (the published weights) it is the FID, and only then does it carry that name; on EfficientNet-Lite0 it is
``frechet_lite0``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from vera.evaluation.metrics.base import TwoSets
from vera.features.pooled import PooledFeatures
from vera.files import write_whole
from vera.types import VeraError
from vera.untrusted import number, read_tensors

FORMAT = "vera-frechet-1"
LARGEST = 1 << 28
"""DECISION: bytes of a file of statistics; of 4,096 features it has half."""


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance of one set of images' features, with their provenance.

    Attributes:
        mean: mean of the features, ``(D,)`` float64.
        covariance: ``(D, D)`` float64, unbiased.
        count: number of images.
        features: the network's ``name``: which network, after which resize.
        source: description of the images with their file format (``FFHQ 256, PNG``): JPEG moves the distance.

    """

    mean: Tensor
    covariance: Tensor
    count: int
    features: str
    source: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        total = hashlib.sha256(repr((FORMAT, self.count, self.features, self.source)).encode())
        for tensor in (self.mean, self.covariance):
            total.update(tensor.detach().cpu().double().contiguous().numpy().tobytes())
        return total.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write a safetensors file that states all of it.

        Raises:
            VeraError: the source is not stated, or the file cannot be written.

        """
        if not self.source:
            raise VeraError("statistics are saved with their source: say which images, and in which file format they are ('FFHQ 256, PNG')")
        stated = {"format": FORMAT, "count": str(self.count), "features": self.features, "source": self.source, "digest": self.digest}
        both = {"mean": self.mean, "covariance": self.covariance}
        tensors = {name: tensor.detach().cpu().double().contiguous() for name, tensor in both.items()}
        path = Path(path)
        try:
            write_whole(path, save(tensors, metadata=stated))
        except (OSError, SafetensorError) as error:
            raise VeraError(f"'{path}' cannot be written ({error}): choose a folder you may write to") from error

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read such a file.

        Raises:
            VeraError: it is missing, of another kind or altered.

        """
        path = Path(path)
        if not path.is_file():
            raise VeraError(f"no reference statistics at '{path}': give a file written by Statistics.save, or real images instead")
        what = f"the statistics '{path}'"
        tensors, stated = read_tensors(path, what=what, limit=LARGEST)
        if stated.get("format") != FORMAT:
            raise VeraError(f"'{path}' holds no {FORMAT} statistics: compute them again with this version")
        mean, covariance = tensors.get("mean"), tensors.get("covariance")
        if mean is None or covariance is None or mean.dim() != 1 or covariance.shape != (len(mean), len(mean)):
            raise VeraError(f"{what} are damaged: they hold no mean and covariance of one size; compute them again")
        found = cls(
            mean=mean.double(),
            covariance=covariance.double(),
            count=number(stated, "count", int, 2, 2**53, what=what),
            features=stated.get("features", ""),
            source=stated.get("source", ""),
        )
        if found.digest != stated.get("digest"):
            raise VeraError(f"the statistics '{path}' are altered: their digest does not match; compute them again")
        return found


class FrechetDistance(TwoSets):
    """Fréchet distance of generated to real images, or to given statistics of real ones.

    State: count, sum and sum of outer products of each side, float64, added up over processes: the result does not depend on how
    images are dealt to them.

    Args:
        features: a frozen network from images ``(B, 3, H, W)`` in [-1, 1] to vectors ``(B, D)``.
        reference: statistics of the real images, or the path of their file; then no real image is given to :meth:`update`.

    Raises:
        VeraError: the reference cannot be read, or belongs to other features.

    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, features: PooledFeatures, *, reference: Statistics | str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        reference = Statistics.load(reference) if isinstance(reference, str | Path) else reference
        if reference is not None and reference.features != features.name:
            raise VeraError(f"the reference is of '{reference.features}', not of '{features.name}': compute it with this network")
        self.features = features.eval().requires_grad_(False)
        self.reference = reference
        d = features.dimension
        for side in ("real", "made"):
            self.add_state(f"{side}_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
            self.add_state(f"{side}_sum", torch.zeros(d, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", torch.zeros(d, d, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def name(self) -> str:
        """``fid`` on Inception, ``frechet_<features>`` on anything else."""
        return "fid" if self.features.short == "inception" else f"frechet_{self.features.short}"

    @torch.no_grad()
    def update(self, images: Float[Tensor, "b 3 h w"], real: bool) -> None:
        """Add images in [-1, 1] to one side.

        Raises:
            VeraError: real images although the reference is given.

        """
        if real and self.reference is not None:
            raise VeraError("the real side is given by reference statistics: leave the reference out, or give no real images")
        vectors = self.features(images).double()
        side = "real" if real else "made"
        setattr(self, f"{side}_count", getattr(self, f"{side}_count") + len(vectors))
        setattr(self, f"{side}_sum", getattr(self, f"{side}_sum") + vectors.sum(dim=0))
        setattr(self, f"{side}_outer", getattr(self, f"{side}_outer") + vectors.T @ vectors)

    def compute(self) -> Tensor:
        """The distance, ``()`` float64.

        Raises:
            VeraError: fewer than two images on a side.

        """
        made = self._statistics("made", "")
        other = self.reference if self.reference is not None else self._statistics("real", "")
        device = made.mean.device
        return frechet(made.mean, made.covariance, other.mean.to(device), other.covariance.to(device))

    def statistics(self, *, real: bool, source: str = "") -> Statistics:
        """Mean and covariance of one side, over all processes; with a source they can be saved.

        Raises:
            VeraError: fewer than two images.

        """
        with self.sync_context():
            return self._statistics("real" if real else "made", source)

    def _statistics(self, side: str, source: str) -> Statistics:
        count = int(getattr(self, f"{side}_count"))
        if count < 2:
            raise VeraError(f"a Fréchet distance needs at least two {'real' if side == 'real' else 'generated'} images, there are {count}")
        mean = getattr(self, f"{side}_sum") / count
        covariance = (getattr(self, f"{side}_outer") - count * torch.outer(mean, mean)) / (count - 1)
        return Statistics(mean, covariance, count, self.features.name, source)


def frechet(
    mean1: Float[Tensor, "d"], cov1: Float[Tensor, "d d"], mean2: Float[Tensor, "d"], cov2: Float[Tensor, "d d"]
) -> Float[Tensor, ""]:
    """Squared 2-Wasserstein distance of two Gaussians: ``|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½)``.

    ``tr (C1 C2)^½`` is taken as ``tr (R C2 R)^½`` with ``R = C1^½``: symmetric, so that eigenvalues stay real and covariances of
    too few images (rank under D) need no correction term.

    Args:
        mean1: mean of the first set; float64.
        cov1: covariance of the first set, symmetric and positive semidefinite.
        mean2: mean of the second set; float64.
        cov2: covariance of the second set, symmetric and positive semidefinite.

    Examples:
        >>> import torch
        >>> from vera.evaluation.metrics.frechet import frechet
        >>> mean, covariance = torch.zeros(3).double(), torch.eye(3).double()
        >>> frechet(mean, covariance, mean + 1, covariance).round(decimals=6)
        tensor(3., dtype=torch.float64)

    """
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    product = root @ cov2 @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    squared: Tensor = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross
    return squared.clamp(min=0)
