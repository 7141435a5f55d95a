"""Preservation and replacement: is the treated region kept bit for bit, does its border show, and how much of the face is new?"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.distributed import Collected, Joined
from vera.evaluation.metrics.base import share
from vera.faces.obscuring import box
from vera.types import Mask, Pixels, Points, VeraError, image_to_tensor

LEAST_STEP = 1.0
"""Grey levels: steps under this count as this, so that a ratio of two flat borders is 1."""
LPIPS_SIDE = 64
"""DECISION: a region's box is brought to at least this many pixels a side for LPIPS, whose networks need some room."""


class Preservation(Collected):
    """Agreement of anonymized photographs with their originals in the preserved region.

    Args:
        network: LPIPS (:class:`vera.features.lpips_network.LpipsNetwork`), taken on the region's box with everything outside the
            region set to mid-grey on both sides; None leaves it out.

    """

    higher_is_better = True

    def __init__(self, network: nn.Module | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network
        for name in ("equal", "squared", "pixels", "lpips", "seam"):
            self.add_column(name, torch.float64)

    @torch.no_grad()
    def update(self, original: Pixels, anonymized: Pixels, preserved: Mask) -> None:
        """Add one photograph, ``(H, W, 3)`` before and after, and its ``(H, W)`` region; an empty region is counted as such.

        Raises:
            VeraError: arrays of different sizes.

        """
        if original.shape != anonymized.shape or preserved.shape != original.shape[:2]:
            raise VeraError(
                f"the original is {original.shape[:2]}, the anonymized photograph {anonymized.shape[:2]}, the region {preserved.shape}: "
                "compare photographs of one size"
            )
        before, after = original[preserved].astype(np.float64), anonymized[preserved].astype(np.float64)
        some = len(before) > 0
        self.append("pixels", [len(before)])
        self.append("equal", [(before == after).all(axis=1).sum()])
        self.append("squared", [np.square(before - after).mean() if some else np.nan])
        self.append("seam", [seam_ratio(original, anonymized, preserved)])
        self.append("lpips", [self._lpips(original, anonymized, preserved) if some else np.nan])

    def compute(self) -> dict[str, Any]:
        """Compute bit equality, PSNR, LPIPS and the seam ratio of the preserved regions.

        ``equal_share`` is of pixels; ``identical`` of photographs whose whole region is equal; ``psnr`` (dB, one figure from the mean
        squared error over all photographs that are not identical; None if all are); ``lpips`` (mean; None without network; under the
        network's name where its weights are not the published ones); ``seam_ratio`` (mean; 1 = as in the original) and its 95th
        percentile.
        """
        pixels, squared = self.column("pixels"), self.column("squared")
        some = pixels > 0
        wrong = squared[some & (squared > 0)]
        seam, lpips = (np.sort(values[np.isfinite(values)]) for values in (self.column("seam"), self.column("lpips")))
        network = str(getattr(self.network, "name", "lpips"))
        return {
            "photographs": int(some.sum()),
            "without_region": int((~some).sum()),
            "equal_share": float(self.column("equal").sum() / pixels.sum()) if some.any() else None,
            "identical": share(squared[some] == 0),
            "psnr": float(10 * np.log10(255**2 / np.sort(wrong).mean())) if len(wrong) else None,
            ("lpips" if network.startswith("lpips") else network): float(lpips.mean()) if len(lpips) else None,
            "seam_ratio": float(seam.mean()) if len(seam) else None,
            "seam_ratio_p95": float(np.percentile(seam, 95)) if len(seam) else None,
        }

    def _lpips(self, original: Pixels, anonymized: Pixels, preserved: Mask) -> float:
        if self.network is None:
            return float("nan")
        around = box(preserved)
        inside = torch.from_numpy(np.ascontiguousarray(preserved[around]))
        both = torch.stack([image_to_tensor(image[around]) * inside for image in (original, anonymized)]).to(self.device)
        factor = max(1.0, LPIPS_SIDE / min(both.shape[-2:]))
        if factor > 1:
            size = [round(n * factor) for n in both.shape[-2:]]
            both = nn.functional.interpolate(both, size, mode="bilinear", align_corners=False)
        return float(self.network(both[:1], both[1:]))


def seam_ratio(original: Pixels, anonymized: Pixels, preserved: Mask) -> float:
    """Mean step across the region's border in the anonymized photograph over that in the original; 1 = no seam.

    A step is the mean absolute difference, over channels, of two neighbouring pixels of which one is in the region. NaN without a border.
    """
    around = box(preserved, margin=1)
    steps = [_border_steps(image[around], preserved[around]) for image in (anonymized, original)]
    if not len(steps[0]):
        return float("nan")
    after, before = (max(float(step.mean()), LEAST_STEP) for step in steps)
    return after / before


def _border_steps(image: Pixels, region: Mask) -> npt.NDArray[np.float64]:
    values = image.astype(np.int16)
    across = np.abs(np.diff(values, axis=1)).mean(axis=2)[region[:, 1:] != region[:, :-1]]
    down = np.abs(np.diff(values, axis=0)).mean(axis=2)[region[1:] != region[:-1]]
    return np.concatenate([across, down])


class Replacement(Collected):
    """Share of the face's pixels that differ from the original's: in the hull of the landmarks, outside the preserved region.

    A replaced pixel may equal its source by chance (a saturated cheek): values just below 1 are not leakage, low values are.
    """

    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_column("changed", torch.float64)

    def update(self, original: Pixels, anonymized: Pixels, preserved: Mask, landmarks: Points) -> None:
        """Add one photograph.

        Args:
            original: the source photograph, ``(H, W, 3)`` uint8.
            anonymized: the anonymized photograph, of the same size.
            preserved: mask ``(H, W)`` of the pixels that must be equal.
            landmarks: ``(68, 2)`` of the original's face, in its pixels.

        """
        hull = np.zeros(preserved.shape, dtype=np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(np.round(landmarks).astype(np.int32)), 1)
        inside = hull.astype(bool) & ~preserved
        if inside.any():
            self.append("changed", [(original[inside] != anonymized[inside]).any(axis=1).mean()])

    def compute(self) -> dict[str, Any]:
        """``mean_share`` and the ``least`` share over photographs (None without any), and how many there are."""
        values = np.sort(self.column("changed"))
        some = len(values) > 0
        return {
            "mean_share": float(values.mean()) if some else None,
            "least": float(values[0]) if some else None,
            "photographs": len(values),
        }


class LpipsDistance(Joined):
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
        """Mean distance, ``()``.

        Raises:
            VeraError: no pair was given.

        """
        if not int(self.count):
            raise VeraError("a mean LPIPS needs at least one pair of images")
        mean: Tensor = self.total / self.count
        return mean
