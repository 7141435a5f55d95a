import numpy as np
import pytest

from vera.anonymization.placement import dilate
from vera.anonymization.screened_poisson import FIXED, screened_poisson


@pytest.fixture
def disc():
    y, x = np.mgrid[:120, :140]
    region = (y - 60) ** 2 + (x - 70) ** 2 < 45**2
    return region, dilate(region, 1) & ~region


def test_constant_without_screening(disc):
    region, ring = disc
    values = np.full((*region.shape, 2), 30, np.float32)
    result = screened_poisson(values, np.where(ring, FIXED, 0).astype(np.float32), region | ring, length=1e6)
    np.testing.assert_allclose(result[region | ring], 30, atol=0.5)
    assert (result[~(region | ring)] == 0).all()


def test_linear_values_are_harmonic(disc):
    region, ring = disc
    x = np.broadcast_to(np.arange(140, dtype=np.float32)[None, :, None], (120, 140, 1))
    result = screened_poisson(x, np.where(ring, FIXED, 0).astype(np.float32), region | ring, length=1e6)
    assert np.abs(result - x)[region].max() < 0.04 * 90


def test_fades_like_an_exponential():
    region = np.zeros((80, 200), dtype=bool)
    region[:, 1:] = True
    weight = np.zeros(region.shape, np.float32)
    weight[:, 0] = FIXED
    result = screened_poisson(np.full((80, 200, 1), 10, np.float32), weight, np.ones_like(region), length=12)
    expected = 10 * np.exp(-np.array([6, 12, 24]) / 12)
    np.testing.assert_allclose(result[40, [6, 12, 24], 0], expected, atol=1)  # solved to a pixel or two
    assert result[40, 120, 0] < 0.05


def test_unweighted_border_is_carried_along(disc):
    region, ring = disc
    held = ring.copy()
    held[:, 100:] = False
    values = np.where(held, 20, -90).astype(np.float32)[:, :, None]
    result = screened_poisson(values, np.where(held, FIXED, 0).astype(np.float32), region | ring, length=1e6)
    np.testing.assert_allclose(result[region], 20, atol=1.5)
