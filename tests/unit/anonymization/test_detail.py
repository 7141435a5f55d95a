import cv2
import numpy as np
import pytest

from vera.anonymization.detail import BROADEST, OCTAVES, STRONGEST, measured, octaves, with_detail

SIDE, UNIT = 128, 60.0


def noise(spread, seed=0):
    return np.random.default_rng(seed).normal(128, spread, (SIDE, SIDE, 1)).repeat(3, axis=2).astype(np.float32)


EVERYWHERE, NOWHERE = np.ones((SIDE, SIDE), dtype=bool), np.zeros((SIDE, SIDE), dtype=bool)
SKIN, FEATURE = np.ones((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), np.float32)


def test_detail_is_measured_in_grey_levels():
    fine = measured(noise(4), EVERYWHERE, OCTAVES)
    assert fine.spread[0] == pytest.approx(4, rel=0.2)
    assert fine.spread[0] > fine.spread[1] > fine.spread[2] > 0
    # Of a normal distribution 97 % lie within 2.17 standard deviations.
    assert STRONGEST == 97
    assert fine.strongest[0] == pytest.approx(2.17 * fine.spread[0], rel=0.1)
    assert measured(np.full_like(noise(4), 90), EVERYWHERE, OCTAVES).spread == pytest.approx([0, 0, 0], abs=1e-3)
    assert measured(noise(4), NOWHERE, OCTAVES) is None


def test_octaves_go_on_up_to_a_share_of_the_face():
    assert octaves(10) == list(OCTAVES)
    assert octaves(4 / BROADEST) == [*OCTAVES, 4]
    assert octaves(1000)[-1] <= BROADEST * 1000 < 2 * octaves(1000)[-1]


def test_detail_that_stands_out_more_than_anything_in_the_photograph_levels_off():
    freckled = noise(1)
    freckled[20:120:12, 20:120:12] -= 40
    wanted = measured(noise(1, seed=1), EVERYWHERE, octaves(UNIT))
    made = with_detail(freckled, EVERYWHERE, NOWHERE, SKIN, wanted, None, UNIT, seed=0)
    assert np.abs(made - 128).max() < 12
    kept = with_detail(freckled, EVERYWHERE, NOWHERE, FEATURE, wanted, None, UNIT, seed=0)
    np.testing.assert_allclose(kept, freckled, atol=1e-3)


def test_the_new_skin_gets_the_photographs_spread():
    wanted = measured(noise(3, seed=1), EVERYWHERE, octaves(UNIT))
    for present in (0.5, 3, 8):
        made = with_detail(noise(present), EVERYWHERE, NOWHERE, SKIN, wanted, None, UNIT, seed=0)
        assert measured(made, EVERYWHERE, OCTAVES).spread[0] == pytest.approx(wanted.spread[0], rel=0.5)


def test_skin_with_pores_is_as_strong_as_the_photographs():
    """Pores make the energy of skin larger than its spread says; a few moles must not make it much larger."""
    usual = measured(noise(1.5), EVERYWHERE, OCTAVES)
    porous, moles = noise(1.5), noise(1.5)
    porous[::5, ::5] -= 9
    moles[60:62, 60:62] -= 200
    for photograph, least, most in ((porous, 1.35, 2.2), (moles, 0.9, 2.0)):
        wanted = measured(photograph, EVERYWHERE, octaves(2 * UNIT))
        made = with_detail(noise(0.5, seed=2), EVERYWHERE, NOWHERE, SKIN, wanted, None, 2 * UNIT, seed=0)
        assert least < measured(made, EVERYWHERE, OCTAVES).deviation / usual.deviation < most
    small = measured(porous, EVERYWHERE, octaves(UNIT))
    made = with_detail(noise(0.5, seed=2), EVERYWHERE, NOWHERE, SKIN, small, None, UNIT, seed=0)
    assert measured(made, EVERYWHERE, OCTAVES).deviation / usual.deviation < 1.3  # what stands out in a small face is its form


def test_grain_is_added_where_detail_is_missing():
    half = noise(2)
    half[:, : SIDE // 2] = 128
    left, right = EVERYWHERE.copy(), EVERYWHERE.copy()
    left[:, SIDE // 2 - 10 :], right[:, : SIDE // 2 + 10] = False, False
    wanted = measured(noise(2, seed=1), EVERYWHERE, octaves(UNIT))
    made = with_detail(half, right, NOWHERE, SKIN, wanted, None, UNIT, seed=3)
    added = [float(np.abs(made - half)[where].mean()) for where in (left, right)]
    assert added[0] > 2 * added[1]


def test_without_a_seed_there_is_no_grain():
    flat = np.full((SIDE, SIDE, 3), 128, np.float32)
    wanted = measured(noise(3), EVERYWHERE, octaves(UNIT))
    np.testing.assert_allclose(with_detail(flat, EVERYWHERE, NOWHERE, SKIN, wanted, None, UNIT, seed=None), flat, atol=1e-3)


def test_features_are_no_sharper_than_the_photographs():
    drawn = np.full((SIDE, SIDE, 3), 180, np.float32)
    drawn[40:80, 40:80] = 60
    blurred = cv2.GaussianBlur(drawn, (0, 0), 2.5)
    widths = octaves(UNIT)
    edges = EVERYWHERE
    sharpness = measured(blurred, edges, widths)
    made = with_detail(drawn, NOWHERE, edges, FEATURE, None, sharpness, UNIT, seed=0)
    assert measured(made, edges, widths).strongest[1] < 0.7 * measured(drawn, edges, widths).strongest[1]
    sharp = with_detail(blurred, NOWHERE, edges, FEATURE, None, measured(drawn, edges, widths), UNIT, seed=0)
    np.testing.assert_allclose(sharp, blurred, atol=1e-3)


def test_what_is_unknown_changes_nothing():
    new = noise(4)
    np.testing.assert_allclose(with_detail(new, EVERYWHERE, NOWHERE, SKIN, None, None, UNIT, seed=0), new, atol=1e-4)
