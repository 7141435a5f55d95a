import cv2
import numpy as np
import pytest

from vera.anonymization.joining import join
from vera.faces.alignment import align, warp_to_photograph
from vera.faces.photograph import photograph_from_pixels
from vera.types import Semantic

from .conftest import Parser, face_points

SIZE = 128


@pytest.fixture
def case(photograph):
    """Photograph, aligned face, class numbers, a new face, what it covers and what is kept."""
    face = align(photograph, face_points(), SIZE)
    labels = Parser().parse(face).argmax(dim=0).numpy()
    to_mask = {name: _in(labels == known, face, photograph) for name, known in (("skin", Semantic.SKIN), ("mouth", Semantic.MOUTH))}
    image = np.full((SIZE, SIZE, 3), (190, 150, 130), np.float32) + np.random.default_rng(3).normal(0, 3, (SIZE, SIZE, 1))
    plain = np.isin(labels, (Semantic.SKIN, Semantic.NOSE)).astype(np.float32)
    return photograph, face, labels.astype(np.float32), image, plain, to_mask["skin"], to_mask["mouth"]


def _in(mask, face, photograph):
    return warp_to_photograph(mask[None].astype(np.float32), face, photograph.size)[0][..., 0] > 0.5


def test_nothing_changes_outside(case):
    photograph, covered = case[0], case[5]
    made = join(*case, seed=1)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made[~covered], photograph.pixels[~covered])
    assert (made[covered] != photograph.pixels[covered]).any(axis=1).mean() > 0.9


def test_the_same_seed_gives_the_same_bytes(case):
    np.testing.assert_array_equal(join(*case, seed=1), join(*case, seed=1))


def test_of_the_source_inside_only_the_strength_of_fine_detail_counts(case, monkeypatch):
    photograph, *rest = case
    covered = rest[4]
    other = photograph.pixels.copy()
    other[covered] = np.random.default_rng(9).integers(0, 256, (int(covered.sum()), 3), dtype=np.uint8)
    sources = [photograph, photograph_from_pixels(other, "x")]
    measured = [join(source, *rest, seed=1) for source in sources]
    assert (measured[0] != measured[1]).any()
    monkeypatch.setattr("vera.anonymization.joining.measured", lambda *given: None)
    np.testing.assert_array_equal(*(join(source, *rest, seed=1) for source in sources))


def test_grain_of_the_seed_makes_up_for_detail_that_a_new_face_lacks(case):
    photograph, face, labels, image, plain, covered, preserved = case
    flat = np.broadcast_to(np.float32([190, 150, 130]), image.shape)
    one, other = (join(photograph, face, labels, flat, plain, covered, preserved, seed=seed) for seed in (1, 2))
    assert (one != other).any()
    np.testing.assert_array_equal(one[~covered], other[~covered])


NEW = (190, 150, 130)


def _beside(case, beyond, colour, *, crown=False):
    """The joined face, and the column of each pixel left of (< 0) or right of the border; right of it the photograph has this colour.

    Rows of the crown lie well above the brows, the others well below.
    """
    photograph, face = case[0], case[1]
    labels = np.full((SIZE, SIZE), Semantic.SKIN, np.float32)
    whole = _in(np.ones((SIZE, SIZE)), face, photograph)
    middle = int(np.median(np.nonzero(whole)[1]))
    columns = np.broadcast_to(np.arange(whole.shape[1]) - middle, whole.shape)
    pixels = np.where((columns < 0)[..., None], NEW, colour).astype(np.uint8)
    right = warp_to_photograph(np.indices((1, SIZE, SIZE))[2].astype(np.float32), face, photograph.size)[0][..., 0]
    labels[:, int(right[whole & (columns == 0)].min()) :] = beyond
    image = np.broadcast_to(np.float32(NEW), (SIZE, SIZE, 3))
    covered = whole & (columns < 0)
    source, plain = photograph_from_pixels(pixels, "x"), np.ones_like(labels)
    made = join(source, face, labels, image, plain, covered, np.zeros_like(covered), seed=1).astype(int)
    brows = face.landmarks[17:27, 1]
    rows = np.arange(len(whole)) < brows.min() - 4 if crown else np.arange(len(whole)) > brows.max() + 4
    rows &= whole.sum(axis=1) > 0.8 * whole.sum(axis=1).max()
    return made[rows], columns[rows]


def test_the_shine_of_a_bald_crown_goes_on_in_the_new_face(case):
    """It is 60 to 100 grey levels brighter than the face: a quarter of that at most from one pixel to the next, and nothing far away."""
    made, columns = _beside(case, Semantic.SKIN, (250, 240, 230), crown=True)
    steps = [made[columns == one].mean(axis=0) - made[columns == one - 1].mean(axis=0) for one in range(0, -12, -1)]
    assert np.abs(steps).max() < 25
    assert np.abs(made[columns < columns.min() // 2].mean(axis=0) - NEW).max() < 10


def test_below_the_brows_nothing_so_bright_is_carried_in(case):
    """There it is a background that the parser took for skin."""
    made, columns = _beside(case, Semantic.SKIN, (250, 240, 230))
    assert np.abs(made[(columns < -8) & (columns > -16)].mean(axis=0) - NEW).max() < 6


def test_a_red_ear_does_not_redden_the_cheek(case):
    """Beside an ear only its lightness is met."""
    made, columns = _beside(case, Semantic.EARS, (205, 135, 125))
    beside = made[(columns < -3) & (columns > -12)].mean(axis=0)
    assert beside[0] - beside[1] == pytest.approx(NEW[0] - NEW[1], abs=3)


def test_a_pale_background_that_the_parser_calls_neck_does_not_make_the_jaw_grey(case):
    made, columns = _beside(case, Semantic.NECK, (205, 185, 180))
    assert np.abs(made[(columns < -6) & (columns > -16)].mean(axis=0) - NEW).max() < 3


def test_a_chin_rounds_off_into_the_shadow_below_it(case):
    made, columns = _beside(case, Semantic.NECK, (110, 80, 66))
    steps = [made[columns == one].mean() - made[columns == one - 1].mean() for one in range(1, -8, -1)]
    assert np.abs(steps).max() < 0.6 * abs(np.mean(NEW) - 85)
    assert np.abs(made[(columns < -12)].mean(axis=0) - NEW).max() < 6


def test_teeth_beside_kept_lips_do_not_take_their_hue(case):
    """Where the new face is no skin, the difference to what is kept changes its lightness only."""
    photograph, face, labels, _, plain, covered, preserved = case
    reddish = photograph.pixels.copy()
    reddish[preserved] = (200, 90, 90)
    flat = np.full((SIZE, SIZE, 3), (160, 160, 160), np.float32)
    near = cv2.dilate(preserved.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & covered
    redness = []
    for bare in (plain, np.zeros_like(plain)):
        made = join(photograph_from_pixels(reddish, "x"), face, labels, flat, bare, covered, preserved, seed=None)[near].astype(float)
        redness.append((made[:, 0] - made[:, 1]).mean())
    assert redness[0] > redness[1] + 3
