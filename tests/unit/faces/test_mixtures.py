from __future__ import annotations

import cv2
import numpy as np

from vera.faces.mixtures import SPREAD, fit_mixture


def two_colours() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal((60, 15, 20), 3, (400, 3)), rng.normal((20, 0, 0), 3, (200, 3))]).astype(np.float32)


def test_it_prefers_the_colours_it_saw() -> None:
    cv2.setRNGSeed(0)
    density = fit_mixture(two_colours(), 2)
    seen, weaker, between = density(np.array([[60, 15, 20], [20, 0, 0], [40, 8, 10]], np.float32))
    assert seen > weaker > between + 4
    assert np.isclose(seen - weaker, np.log(2), atol=0.5)


def test_one_gaussian_is_the_closed_form() -> None:
    samples = np.full((50, 3), 30, np.float32)
    at_mean, away = fit_mixture(samples, 1)(np.array([[30, 30, 30], [33, 30, 30]], np.float32))
    assert np.isclose(at_mean, -1.5 * np.log(2 * np.pi * SPREAD))
    assert np.isclose(at_mean - away, 0.5)


def test_it_repeats_when_seeded_and_keeps_shapes() -> None:
    values = np.random.default_rng(1).uniform(0, 100, (5, 7, 3)).astype(np.float32)
    results = []
    for _ in range(2):
        cv2.setRNGSeed(0)
        results.append(fit_mixture(two_colours(), 3)(values))
    assert results[0].shape == (5, 7)
    assert np.array_equal(*results)


def test_few_colours_are_enough() -> None:
    assert np.isfinite(fit_mixture(np.zeros((1, 3), np.float32), 3)(np.zeros((2, 3), np.float32))).all()
