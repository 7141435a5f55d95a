from dataclasses import replace

import numpy as np
import pytest
import torch

from vera.anonymization import colour
from vera.anonymization.compositing import NECK, NONE, SKIN, SURFACES, Rendering, composite, seam_correction
from vera.anonymization.placement import Window, dilate, eye_distance, to_window
from vera.anonymization.preservation import preserved_region, replaced_region
from vera.types import Semantic


@pytest.fixture
def regions(photograph, face, parsed):
    preserved = preserved_region(photograph, face, parsed, classes=(Semantic.MOUTH,), mask=None)
    return preserved, replaced_region(photograph, face, parsed, preserved, hair=False)


@pytest.fixture
def rendering(parsed):
    generator = torch.Generator().manual_seed(1)
    image = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 6, generator=generator), parsed.shape[1:], mode="bicubic")[0]
    return Rendering(image - 0.5, parsed, None)


def test_source_is_untouched_outside_and_in_the_preserved_region(photograph, face, parsed, rendering, regions):
    preserved, replaced = regions
    result = composite(photograph, face, parsed, rendering, replaced, seed=3)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[~replaced], photograph.pixels[~replaced])
    np.testing.assert_array_equal(result[preserved], photograph.pixels[preserved])
    assert preserved.any()
    assert not (preserved & replaced).any()
    assert (result[replaced] != photograph.pixels[replaced]).any(axis=1).mean() > 0.9


def test_source_inside_the_replaced_region_is_never_read(photograph, face, parsed, rendering, regions):
    _, replaced = regions
    other = photograph.pixels.copy()
    other[replaced] = np.random.default_rng(5).integers(0, 256, (int(replaced.sum()), 3))
    first = composite(photograph, face, parsed, rendering, replaced, seed=3)
    second = composite(replace(photograph, pixels=other), face, parsed, rendering, replaced, seed=3)
    np.testing.assert_array_equal(first[replaced], second[replaced])


def test_same_seed_same_bytes_other_seed_other_grain(photograph, face, parsed, rendering, regions):
    _, replaced = regions
    first, again, other = (composite(photograph, face, parsed, rendering, replaced, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_face_equal_to_its_source_comes_back(photograph, face, parsed, regions):
    """Identity: up to resampling and grain."""
    _, replaced = regions
    smooth = to_window(face.image, face, Window(0, 240, 0, 200), cubic=True)[0]
    plain = replace(photograph, pixels=((smooth + 1) * 127.5).round().clip(0, 255).astype(np.uint8))
    result = composite(plain, face, parsed, Rendering(face.image, parsed, colour.tone(face.image, parsed)), replaced, seed=0)
    assert np.abs(result[replaced].astype(float) - plain.pixels[replaced]).mean() < 3


def all_of(surface, where):
    """Shares of the surfaces, and what is the same in both images: one surface throughout."""
    shares = np.zeros((*where.shape, len(SURFACES)), np.float32)
    shares[:, :, surface] = 1
    return np.where(where, surface, NONE), shares


def test_a_constant_offset_vanishes_at_the_seam(face, regions):
    _, replaced = regions
    difference = np.full((*replaced.shape, 3), 24, np.float32)
    around = ~replaced
    correction = seam_correction(difference, *all_of(SKIN, around), replaced, around, unit=eye_distance(face))
    border = replaced & dilate(~replaced, 1)
    np.testing.assert_allclose(correction[border], 24, atol=1.5)
    assert (correction[~replaced] == 0).all()
    deep = replaced & ~dilate(~replaced, 15)
    assert correction[deep].mean() < 23
    assert np.abs(seam_correction(0 * difference, *all_of(SKIN, around), replaced, around, unit=60.0)).max() == 0


def test_a_difference_between_unlike_surfaces_stays_at_the_border(face, regions):
    """Dark hair beside a bright forehead must not darken the face."""
    _, replaced = regions
    difference = np.zeros((*replaced.shape, 3), np.float32)
    rows = np.arange(replaced.shape[0])[:, None]
    hair = ~replaced & (rows < 90)
    difference[hair] = -120
    correction = seam_correction(difference, *all_of(SKIN, ~replaced & ~hair), replaced, ~replaced, unit=eye_distance(face))
    deep = replaced & ~dilate(~replaced, 0.2 * eye_distance(face))
    assert np.abs(correction[deep]).max() < 4
    assert correction[replaced & dilate(hair, 1)].mean() < -60


def test_light_on_the_neck_stays_on_the_neck(face, regions):
    """A neck that is lit is no reason for a bright chin; what the generator shows of the neck follows it."""
    _, replaced = regions
    rows, columns = np.nonzero(replaced)
    below = np.arange(replaced.shape[0])[:, None] >= rows.max() - 12
    left = np.arange(replaced.shape[1])[None, :] < np.median(columns)
    neck = below & np.ones_like(replaced)
    difference = np.where(neck[:, :, None], np.float32(30), np.float32(0)) * np.ones(3, np.float32)
    same, shares = all_of(SKIN, ~replaced)
    same = np.where(neck & ~replaced, NECK, same)
    shares[neck & left] = np.eye(len(SURFACES), dtype=np.float32)[NECK]
    correction = seam_correction(difference, same, shares, replaced, ~replaced, unit=eye_distance(face))
    deep = replaced & neck & ~dilate(~replaced, 0.12 * eye_distance(face))
    assert (deep & left).any()
    assert correction[deep & left].mean() > 15
    assert np.abs(correction[deep & ~left]).mean() < 5


def test_a_plain_background_stays_plain(photograph, face, parsed, rendering, regions):
    """Whatever colour the generator gives it."""
    _, replaced = regions
    grey = replace(photograph, pixels=np.full_like(photograph.pixels, 150))
    everywhere = torch.zeros_like(parsed)
    everywhere[Semantic.BACKGROUND] = 1
    result = composite(grey, face, everywhere, Rendering(rendering.image, everywhere, None), replaced, seed=0)
    assert np.abs(result.astype(int) - 150).max() <= 3


def test_colours_follow_the_surroundings():
    rng = np.random.default_rng(0)
    source = (rng.normal(0, 8, (60, 60, 1)) + np.array([180, 140, 120])).astype(np.float32)
    generated = (rng.normal(0, 8, (60, 60, 1)) + np.array([150, 120, 110])).astype(np.float32)
    matched = colour.match_colour(generated, source, np.ones((60, 60), dtype=bool))
    np.testing.assert_allclose(matched.mean(axis=(0, 1)), source.mean(axis=(0, 1)), atol=2)
    assert colour.match_colour(generated, source, np.zeros((60, 60), dtype=bool)) is generated


def test_a_face_takes_the_tone_of_its_photograph(photograph, face, parsed, rendering, regions):
    """The median of its skin; what is kept does not change."""
    _, replaced = regions
    own = colour.tone(rendering.image, parsed)
    plain, as_it_was = (composite(photograph, face, parsed, replace(rendering, tone=tone), replaced, seed=0) for tone in (None, own))
    assert np.abs(plain.astype(int) - as_it_was).max() <= 1
    darker = composite(photograph, face, parsed, replace(rendering, tone=own - np.float32([20, 0, 0])), replaced, seed=0)
    deep = replaced & ~dilate(~replaced, 15)
    assert darker[deep].mean() < plain[deep].mean() - 20
    assert np.array_equal(darker[~replaced], plain[~replaced])


def test_the_tone_is_the_median_of_skin_and_nose():
    image = torch.full((3, 40, 40), -1.0)
    segmentation = torch.zeros(13, 40, 40)
    segmentation[Semantic.HAIR] = 1
    assert colour.tone(image, segmentation) is None
    image[:, 10:30], segmentation[:, 10:30] = 1.0, 0
    segmentation[Semantic.SKIN, 10:30] = 1
    np.testing.assert_allclose(colour.tone(image, segmentation), [100, 0, 0], atol=0.1)


def test_a_tone_moves_lightness_by_a_factor_and_leaves_black_black():
    skin, pupil = np.full((1, 1, 3), 150, np.float32), np.zeros((1, 1, 3), np.float32)
    ours, theirs = np.float32([62, 0, 0]), np.float32([31, 0, 0])
    assert colour.match_tone(skin, ours, theirs).mean() < 90
    assert colour.match_tone(pupil, ours, np.float32([90, 0, 0])).max() < 1
    assert colour.match_tone(skin, None, theirs) is skin


def test_grain_has_the_amplitude_of_the_photograph():
    rng = np.random.default_rng(0)
    source = (120 + rng.normal(0, 1.0, (90, 90, 1)) + np.zeros(3)).astype(np.float32)
    kept = np.ones((90, 90), dtype=bool)
    grainy = colour.match_grain(np.full((90, 90, 3), 120, np.float32), source, kept, kept, seed=1)
    assert grainy.std() == pytest.approx(source.std(), rel=0.3)
    assert np.ptp(grainy - grainy[:, :, :1]) == 0  # grey
