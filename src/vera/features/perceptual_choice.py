"""Build a perceptual distance by name: on EfficientNet-Lite0, which needs no download, or LPIPS."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from vera.types import VeraError

LITE0 = "lite0"


def perceptual(name: str, path: str | Path | None = None) -> nn.Module:
    """Build a frozen perceptual distance, called with images, targets and a weight for each pixel.

    Args:
        name: ``lite0``, or LPIPS's backbone: ``alex``, ``vgg``, ``squeeze``.
        path: path of LPIPS's backbone; None for torch's hub folder, else a download.

    Raises:
        VeraError: an unknown name, missing weights, or a path for ``lite0``, whose weights are a package.

    """
    if name == LITE0:
        from vera.features.perceptual import PerceptualDistance

        if path is not None:
            raise VeraError("perceptual.path: lite0's weights come as a package; leave the path out, or name LPIPS's backbone")
        return PerceptualDistance()
    from vera.features.perceptual_lpips import WeightedLpips  # its package is wanted only by those who ask

    return WeightedLpips(name, path)
