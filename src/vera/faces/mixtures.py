"""Gaussian mixtures of colours, fitted in two steps: k-means, then a Gaussian for each cluster."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.float32]
LogDensity = Callable[[Colours], npt.NDArray[np.float64]]

SPREAD = 9.0
"""DECISION: variance added to each channel (CIELAB units squared): a flat patch must not exclude its own shading."""


def fit_mixture(colours: Colours, components: int) -> LogDensity:
    """Learn a mixture.

    Repeats exactly when OpenCV's generator is seeded before (``cv2.setRNGSeed``).

    Args:
        colours: ``(N, 3)`` float32 CIELAB.
        components: largest number of Gaussians; fewer are used when there are few colours.

    Returns:
        A function from ``(..., 3)`` colours to ``(...)`` log densities.

    """
    samples = np.ascontiguousarray(colours, dtype=np.float32)
    count = max(1, min(components, len(samples) // 20))
    gaussians = [_gaussian(part, len(part) / len(samples)) for part in _clusters(samples, count) if len(part)]

    def log_density(values: Colours) -> npt.NDArray[np.float64]:
        terms = np.stack([constant - 0.5 * _mahalanobis(values - mean, precision) for mean, precision, constant in gaussians])
        top = terms.max(0)
        return np.asarray(top + np.log(np.exp(terms - top).sum(0)), dtype=np.float64)

    return log_density


def _clusters(samples: Colours, count: int) -> list[Colours]:
    if count == 1:
        return [samples]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, cluster, _ = cv2.kmeans(samples, count, None, criteria, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    return [samples[np.asarray(cluster).ravel() == i] for i in range(count)]


def _gaussian(samples: Colours, weight: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Mean, precision matrix and the logarithm of weight and normalisation."""
    values = samples.astype(np.float64)
    mean = values.mean(0)
    centred = values - mean
    covariance = centred.T @ centred / len(values) + SPREAD * np.eye(3)
    return mean, np.linalg.inv(covariance), float(np.log(weight) - 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1])


def _mahalanobis(difference: npt.NDArray[np.float64], precision: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("...i,ij,...j->...", difference, precision, difference, optimize=True))
