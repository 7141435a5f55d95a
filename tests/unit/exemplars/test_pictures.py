"""Light, hair and texture."""

import cv2
import numpy as np
import pytest
from tests.reference.drawn_bank import SIZE, drawn_face

from vera.exemplars.hair import LEAST_HAIR, LITTLE_HAIR, hair_edge, with_hairline
from vera.exemplars.light import COLOURED, MOST_GLOSS, SHINE_ROOM, Light, measure_light, relit, with_shine_of
from vera.exemplars.region import face_region, under_hair
from vera.exemplars.texture import COARSE, CONTRAST, BankRow, MeanLook, mixed_texture, without_strands
from vera.mosaic.colour import to_lab, to_rgb
from vera.mosaic.partners import PARTS
from vera.mosaic.points import extend
from vera.mosaic.warping import Target
from vera.types import Semantic

EVERYWHERE = np.array([[-0.5, 0.5], [-0.5, 0.5]])
OWN = Light(np.array([[60.0], [8], [-5], [3], [2], [-4]]), np.array([[12.0, 18], [2, -1], [-3, 1]]), EVERYWHERE, 70.0, 10.0)
WANTED = Light(np.array([[50.0], [-6], [4], [1], [-3], [2]]), np.array([[9.0, 21], [-1, 2], [1, 0.5]]), EVERYWHERE, 60.0, 10.0)


def field(light, size=64):
    return np.concatenate(light.fields(size), axis=2)


def test_a_field_is_recovered_exactly_from_part_of_the_skin_despite_outliers():
    lab = field(OWN)
    skin = np.zeros(lab.shape[:2], dtype=bool)
    skin[10:50, 8:60] = True
    lab[20:26, 20:40] += 25  # shine
    found = measure_light(lab, skin)
    np.testing.assert_allclose(found.lightness, OWN.lightness, atol=1e-3)
    np.testing.assert_allclose(found.colour, OWN.colour, atol=1e-3)


def test_beyond_the_skin_a_field_goes_on_as_it_is_there():
    skin = np.zeros((64, 64), dtype=bool)
    skin[24:50, 8:60] = True
    lightness = field(measure_light(field(OWN), skin))[..., 0]
    np.testing.assert_allclose(lightness[:20], np.broadcast_to(lightness[0], (20, 64)), rtol=1e-6)
    np.testing.assert_allclose(lightness[30:44, 14:54], field(OWN)[30:44, 14:54, 0], rtol=1e-4)


def test_skin_shines_no_more_than_the_photographs_and_eyes_may():
    lab = np.zeros((64, 64, 3), np.float32)
    lab[..., 0] = np.linspace(20, 100, 64)
    everywhere, nowhere = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
    levelled = with_shine_of(lab, OWN, OWN, everywhere)[0, :, 0]
    assert (np.diff(levelled) >= 0).all()
    assert levelled.max() <= OWN.shine + SHINE_ROOM
    below = lab[0, :, 0] < OWN.shine - SHINE_ROOM
    np.testing.assert_array_equal(levelled[below], lab[0, below, 0])
    np.testing.assert_array_equal(with_shine_of(lab, OWN, OWN, nowhere), lab)


@pytest.mark.parametrize(("gloss", "gain"), [(5.0, 1.0), (20.0, 2.0), (90.0, MOST_GLOSS)])
def test_shine_becomes_as_strong_as_the_photographs_and_no_weaker(gloss, gain):
    photograph = Light(OWN.lightness, OWN.colour, EVERYWHERE, 200.0, gloss)
    lab = field(OWN)
    lab[16:48, 16:48, 0] += 6
    strengthened = with_shine_of(lab, OWN, photograph, np.ones((64, 64), np.float32))
    above = strengthened[32, 32, 0] - field(OWN)[32, 32, 0]
    assert above == pytest.approx(6 * gain, rel=0.02)
    np.testing.assert_allclose(strengthened[:8, :8], lab[:8, :8], rtol=0.01)
    ratio = 1 + COLOURED * (strengthened[32, 32, 0] / lab[32, 32, 0] - 1)
    np.testing.assert_allclose(strengthened[32, 32, 1:], lab[32, 32, 1:] * ratio, rtol=1e-4)


def test_a_face_gets_the_wanted_field():
    np.testing.assert_allclose(
        relit(field(OWN), OWN, WANTED, follow=np.ones((64, 64, 1), np.float32), darken=np.ones((64, 64, 1), np.float32)),
        field(WANTED),
        atol=1e-3,
    )


def test_shine_stays_as_bright_in_darker_skin_and_shade_is_darker_with_it():
    spots = np.zeros((64, 64), np.float32)
    spots[20:24, 20:24], spots[40:44, 40:44] = 15, -15
    lab = field(OWN)
    lab[..., 0] += spots
    lit = (
        relit(lab, OWN, WANTED, follow=np.ones((64, 64, 1), np.float32), darken=np.ones((64, 64, 1), np.float32))[..., 0]
        - field(WANTED)[..., 0]
    )
    np.testing.assert_allclose(lit[20:24, 20:24], 15, atol=1e-3)
    ratio = field(WANTED)[40:44, 40:44, 0] / field(OWN)[40:44, 40:44, 0]
    np.testing.assert_allclose(lit[40:44, 40:44], -15 * ratio, atol=1e-3)


def test_colours_that_do_not_follow_stay():
    stays = relit(field(OWN), OWN, WANTED, follow=np.zeros((64, 64, 1), np.float32), darken=np.ones((64, 64, 1), np.float32))
    np.testing.assert_allclose(stays[..., 1:], field(OWN)[..., 1:], atol=1e-5)
    np.testing.assert_allclose(stays[..., 0], field(WANTED)[..., 0], atol=1e-3)


def edge_of(image, labels, marks):
    points = extend(marks)
    return hair_edge(image.astype(np.float32), labels, face_region(points, labels), under_hair(points, len(labels)))


def test_the_matte_of_hair_is_a_share_and_nothing_outside_its_band():
    alpha, colour, band = edge_of(*drawn_face(51))
    assert 0 < band.mean() < 0.2
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert not alpha[~band].any()
    assert 0 <= colour.min() <= colour.max() <= 255


def test_skin_in_the_shade_of_hair_is_no_hair():
    image, labels, marks = drawn_face(51)
    hair, skin = (np.median(image[labels == known], axis=0) for known in (Semantic.HAIR, Semantic.SKIN))
    matte = {}
    for share in (0.1, 0.9):
        shaded = np.where((labels == Semantic.SKIN)[..., None], skin + share * (hair - skin), image)
        shaded[: SIZE // 8][labels[: SIZE // 8] == Semantic.SKIN] = skin
        image = np.where((labels == Semantic.HAIR)[..., None], hair, np.where(_lower(labels), skin, shaded))
        alpha, _, band = edge_of(image, labels, marks)
        matte[share] = alpha[band & (labels == Semantic.SKIN)]
    assert matte[0.1].max() < 0.5
    assert np.percentile(matte[0.9], 90) > matte[0.1].max()


def _lower(labels):
    """All skin but that beside the hair, ``(S, S, 1)``."""
    near = cv2.dilate((labels == Semantic.HAIR).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return ((labels == Semantic.SKIN) & ~near)[..., None]


def test_hair_of_one_colour_with_its_face_has_that_colour():
    _, labels, marks = drawn_face(51)
    flat = np.full((SIZE, SIZE, 3), (120, 90, 70), np.uint8)
    alpha, colour, _ = edge_of(flat, labels, marks)
    assert np.isfinite(alpha).all()
    np.testing.assert_allclose(colour[alpha > 0.2], np.broadcast_to((120, 90, 70), colour[alpha > 0.2].shape), atol=2)


@pytest.mark.parametrize(("hair", "found"), [((20, 5, 8), True), ((62, 10, 16), False)])
def test_a_fringe_that_the_parser_takes_for_forehead_is_hair(hair, found):
    _, labels, marks = drawn_face(5)
    lab = np.full((SIZE, SIZE, 3), (65.0, 12, 17), np.float32)
    brow = int(marks[17:27, 1].min() * SIZE)
    fringe = np.zeros((SIZE, SIZE), dtype=bool)
    fringe[brow - 10 : brow - 2, SIZE // 2 - 10 : SIZE // 2 + 10] = True
    given = np.where(fringe, Semantic.SKIN, labels).astype(np.uint8)
    given[: brow - 10] = Semantic.HAIR
    lab[(given == Semantic.HAIR) | fringe] = hair
    changed = with_hairline(lab, given, marks)
    assert (changed[fringe] == Semantic.HAIR).mean() == pytest.approx(float(found), abs=0.3)
    np.testing.assert_array_equal(changed[~fringe], given[~fringe])


def test_a_fringe_is_hair_on_a_head_with_little_of_it():
    """A head with so little hair may be shaven; where no short hair is found, the fringe is looked for as on any other."""
    _, labels, marks = drawn_face(5)
    brow = int(marks[17:27, 1].min() * SIZE)
    fringe = np.zeros((SIZE, SIZE), dtype=bool)
    fringe[brow - 10 : brow - 2, SIZE // 2 - 10 : SIZE // 2 + 10] = True
    given = np.where(labels == Semantic.HAIR, Semantic.SKIN, labels).astype(np.uint8)
    given[brow - 22 : brow - 10, SIZE // 2 - 10 : SIZE // 2 + 10] = Semantic.HAIR
    share = (given == Semantic.HAIR).mean()
    assert LEAST_HAIR <= share < LITTLE_HAIR, share
    lab = np.full((SIZE, SIZE, 3), (65.0, 12, 17), np.float32)
    lab[(given == Semantic.HAIR) | fringe] = 20, 5, 8
    lab[..., 0] += np.random.default_rng(0).normal(0, 1, given.shape)
    changed = with_hairline(lab, given, marks)
    assert (changed[fringe] == Semantic.HAIR).mean() > 0.7
    np.testing.assert_array_equal(changed[~fringe], given[~fringe])


@pytest.mark.parametrize(("strip_colour", "found"), [((55, 11, 15), True), ((60, 3, 4), False)])
def test_a_strip_of_skin_that_the_parser_takes_for_hair_is_skin(strip_colour, found):
    """Skin in the shade is; shine on hair, as light as skin but of the hair's hue, is not."""
    _, labels, marks = drawn_face(5)
    brow = int(marks[17:27, 1].min() * SIZE)
    given = labels.copy()
    given[: brow - 6][given[: brow - 6] == Semantic.SKIN] = Semantic.HAIR
    given[: brow - 10] = Semantic.HAIR
    lab = np.full((SIZE, SIZE, 3), (65.0, 12, 17), np.float32)
    lab[given == Semantic.HAIR] = (20, 3, 4)
    strip = np.zeros((SIZE, SIZE), dtype=bool)
    strip[brow - 10 : brow - 6, SIZE // 2 - 12 : SIZE // 2 + 12] = True
    strip &= given == Semantic.HAIR
    lab[strip] = strip_colour
    changed = with_hairline(lab, given, marks)
    assert strip.sum() > 40
    assert (changed[strip] == Semantic.SKIN).mean() == pytest.approx(float(found), abs=0.3)
    np.testing.assert_array_equal(changed[~strip], given[~strip])


def test_without_hair_there_is_no_edge():
    image, labels, marks = drawn_face(51)
    alpha, _, band = edge_of(image, np.where(labels == Semantic.HAIR, Semantic.BACKGROUND, labels).astype(np.uint8), marks)
    assert not band.any()
    assert not alpha.any()


@pytest.mark.parametrize(("smile", "size"), [(0.0, SIZE), (0.3, SIZE), (0.3, 2 * SIZE)])
def test_a_mixture_of_equal_rows_is_that_row(bank, smile, size):
    """Also where broad colours are computed in a smaller picture."""
    assert (size >= 2 * COARSE) == (size > SIZE)
    own, picture = (bank.mesh(0, 0), bank.mesh(0, 0)), to_lab(bank.image(0, 0))
    tone = bank.facts["tone"][0]
    mixed = mixed_texture(
        [BankRow(lambda role, size: picture, own, tone)] * 3, np.array([0.5, 0.3, 0.2]),
        {part: number % 3 for number, part in enumerate(PARTS)}, Target(own[0], bank.triangles, size),
        mean=MeanLook((picture, picture), own, tone), smile=smile, teeth=False,
    )  # fmt: skip
    mixed = cv2.resize(mixed, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    inside[SIZE // 3 : 2 * SIZE // 3, SIZE // 3 : 2 * SIZE // 3] = True
    difference = np.abs(mixed - bank.image(0, 0))[inside]
    assert np.median(difference) < 1
    assert np.percentile(difference, 95) < 6


def test_the_distance_to_the_mean_face_grows(bank):
    own, tone, known = (bank.mesh(0, 0), bank.mesh(0, 0)), bank.facts["tone"][0], to_lab(bank.image(0, 0))
    target = Target(own[0], bank.triangles, bank.size)
    mixed = [
        mixed_texture(
            [BankRow(lambda role, size: known, own, tone)] * 3, np.array([0.5, 0.3, 0.2]), dict.fromkeys(PARTS, 0), target,
            mean=MeanLook((picture, picture), own, tone), smile=0.0, teeth=False,
        )
        for picture in (known, known - np.array([4, 0, 0], np.float32))
    ]  # fmt: skip
    inside = slice(SIZE // 3, 2 * SIZE // 3)
    lightness = [float(np.median(to_lab(one)[inside, inside, 0])) for one in mixed]
    assert lightness[1] - lightness[0] == pytest.approx((CONTRAST[0] - 1) * 4, rel=0.15)


def test_hairs_on_the_forehead_go_and_brows_stay(bank):
    points = bank.mesh(0, 0)
    lab = np.full((256, 256, 3), (65.0, 10, 15), np.float32)
    height = int(points[17:27, 1].min() * 256)
    lab[: height - 20, 120:122] = 35, 5, 8  # a hair
    lab[height : height + 2, 90:160] = 35, 5, 8  # a brow
    cleaned = without_strands(lab, points)
    assert np.abs(cleaned[20 : height - 25] - (65, 10, 15)).max() < 4
    np.testing.assert_array_equal(cleaned[height - 2 :], lab[height - 2 :])
    assert to_rgb(cleaned).min() >= 0


@pytest.mark.parametrize(("roughness", "shaven"), [(1.0, False), (4.0, True)])
def test_short_hair_that_the_parser_takes_for_skin_is_hair(roughness, shaven):
    size, landmarks = 256, drawn_face(50)[2]
    rows, columns = np.mgrid[:size, :size] / size
    labels = np.full((size, size), Semantic.BACKGROUND, np.uint8)
    labels[np.hypot((columns - 0.5) / 0.3, (rows - 0.5) / 0.45) < 1] = Semantic.SKIN
    hairline = landmarks[17:27, 1].min() - 0.12
    noise = np.random.default_rng(0).normal(0, 1, (size, size)) * np.where(rows < hairline, roughness, 1)
    lab = np.dstack([50 + noise, np.full_like(noise, 9), np.full_like(noise, 11)]).astype(np.float32)
    changed = with_hairline(lab, labels, landmarks)
    hair = changed == Semantic.HAIR
    assert hair.any() == shaven
    assert not hair[rows > hairline + 0.04].any()
    if shaven:
        assert hair[(labels == Semantic.SKIN) & (rows < hairline - 0.04)].mean() > 0.8


def test_a_burnt_out_forehead_says_nothing_of_the_scalp():
    size, landmarks = 256, drawn_face(50)[2]
    rows, columns = np.mgrid[:size, :size] / size
    labels = np.full((size, size), Semantic.BACKGROUND, np.uint8)
    labels[np.hypot((columns - 0.5) / 0.3, (rows - 0.5) / 0.45) < 1] = Semantic.SKIN
    noise = np.random.default_rng(0).normal(0, 0.02, (size, size)) * (rows < landmarks[17:27, 1].min() - 0.12)
    lab = np.dstack([95 + noise, np.full_like(noise, 1), np.full_like(noise, 2)]).astype(np.float32)
    assert not (with_hairline(lab, labels, landmarks) == Semantic.HAIR).any()
