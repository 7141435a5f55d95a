"""A whole fit: what is known of a photograph, and what of it the new face takes over."""

from dataclasses import replace

import numpy as np
import pytest
from tests.reference.drawn_bank import SIZE, drawn_face

from vera import bundle
from vera.exemplars.eyes import kept_iris, whites_of, with_brown_irises, with_whites
from vera.exemplars.fitting import Fitter, mean_hair, observe
from vera.exemplars.identity import Appearance, deal, descendant, draw, farthest, pool
from vera.exemplars.layout import INNER_LIPS, MOUTH, Frontal, mouth_is_open, opening_of, target
from vera.exemplars.light import measure_light, relit
from vera.exemplars.pose import eye_distance, fit_camera
from vera.mosaic.colour import to_lab, to_rgb
from vera.mosaic.partners import PARTS
from vera.mosaic.points import EYES, REGIONS, extend
from vera.types import Semantic, VeraError


@pytest.fixture(scope="session")
def shipped():
    return bundle.load(bundle.exemplar_bundle())


@pytest.fixture(scope="module")
def subject(bank):
    image, labels, marks = drawn_face(50)
    return observe(bank, image.astype(np.float32), labels, marks)


def identity_of(bank, number):
    facts = bank.facts
    wanted = Appearance(0, facts["tone"][0], float(facts["age"][0]), 5.0)
    return draw(pool(bank, wanted), seed=0, person="p", number=number)


def gap(points):
    """How far the lips are apart at each pair of facing points."""
    mouth = points[MOUTH]
    return np.array([mouth[lower] - mouth[upper] for upper, lower in INNER_LIPS])


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_the_mouths_opening_is_the_photographs(bank, drop):
    points = extend(drawn_face(50)[2])
    points[[65, 66, 67, 55, 56, 57, 58, 59], 1] += drop
    camera = fit_camera(bank.mean.neutral, points[:68])
    made = target(bank.mean, points, camera=camera, smile=0.0, kept=())
    assert not np.allclose(made[MOUTH], points[MOUTH])
    np.testing.assert_allclose(gap(made), gap(points), atol=1e-12)


def test_parted_lips_show_teeth_from_a_share_of_the_eye_distance():
    points = extend(drawn_face(50)[2])
    points[60:68, 1] = 0.7
    assert not mouth_is_open(points)
    points[[65, 66, 67], 1] += 0.13 * eye_distance(points)
    assert mouth_is_open(points)


@pytest.mark.parametrize("smile", [0.0, 1.0])
def test_a_closed_eye_stays_closed(bank, smile):
    points = extend(drawn_face(50)[2])
    right, left = (list(eye) for eye in EYES)
    points[right, 1] = points[right, 1].mean()
    camera = fit_camera(bank.mean.neutral, points[:68])
    made = target(bank.mean, points, camera=camera, smile=smile, kept=())
    assert opening_of(made, right) < 0.01
    assert opening_of(made, left) == pytest.approx(opening_of(points, left), abs=0.01)


def test_an_expression_lies_between_the_two_faces():
    one, other = np.zeros((77, 2)), np.ones((77, 2))
    face = Frontal(one, other)
    np.testing.assert_array_equal(face.at(0), one)
    np.testing.assert_array_equal(face.at(1), other)
    np.testing.assert_allclose(face.at(0.25), 0.25)


def test_a_photograph_is_looked_at(subject):
    assert subject.size == SIZE
    assert abs(subject.camera.yaw) < 5
    assert 0 <= subject.smile < 0.2
    assert subject.region.any()
    small = subject.at(32)
    assert (small.size, small.image.shape, small.region.dtype) == (32, (32, 32, 3), np.bool_)
    assert small.light is subject.light


def test_a_smile_is_seen(bank):
    image, labels, marks = drawn_face(50, smile=1.0)
    assert observe(bank, image.astype(np.float32), labels, marks).smile > 0.8


def test_a_covered_face_is_refused(bank):
    image, labels, marks = drawn_face(50)
    covered = np.where(np.isin(labels, (Semantic.SKIN, Semantic.NOSE)), Semantic.CLOTHES, labels).astype(np.uint8)
    with pytest.raises(VeraError, match="hardly any skin"):
        observe(bank, image.astype(np.float32), covered, marks)


def test_a_new_face_is_a_function_of_identity_and_photograph(bank, subject):
    first, again = (Fitter(bank).fit(identity_of(bank, 0), subject, ()) for _ in range(2))
    other = Fitter(bank).fit(identity_of(bank, 1), subject, ())
    np.testing.assert_array_equal(first.image, again.image)
    assert first.image.shape == (SIZE, SIZE, 3)
    assert 0 <= first.image.min() <= first.image.max() <= 255
    assert np.abs(first.points - other.points).max() > 1e-3
    assert np.abs(first.image - other.image)[subject.region].mean() > 0.5


def test_the_light_is_the_photographs(bank, subject):
    face = Fitter(bank).fit(identity_of(bank, 0), subject, ())
    skin = subject.region & (subject.labels == Semantic.SKIN) & (face.labels == Semantic.SKIN)
    assert np.abs(np.median(face.image[skin], axis=0) - np.median(subject.image[skin], axis=0)).max() < 8


@pytest.mark.parametrize("tint", [(0, 0), (4, 14)])
def test_a_face_in_a_black_and_white_photograph_is_black_and_white(bank, subject, tint):
    """Also in a toned one; a photograph with colours is none of them."""
    image, labels, marks = drawn_face(50)
    lab = to_lab(image.astype(np.float32))
    noise = np.random.default_rng(0).normal(0, 0.8, lab.shape[:2])
    grey = to_rgb(np.dstack([lab[..., 0], *(part * lab[..., 0] / 100 + noise for part in tint)]).astype(np.float32)).clip(0, 255)
    face = to_lab(Fitter(bank).fit(identity_of(bank, 0), observe(bank, grey, labels, marks), ()).image)
    inside = subject.region & (face[..., 0] > 20)
    for number, part in enumerate(tint, 1):
        assert np.abs(face[..., number] - part * face[..., 0] / 100)[inside].max() < 2
    assert subject.toning is None
    assert np.ptp(to_lab(Fitter(bank).fit(identity_of(bank, 0), subject, ()).image)[subject.region][:, 1]) > 5


def test_a_deal_is_a_function_of_seed_person_and_search():
    rows = np.arange(28)
    first = deal(rows, seed=1, person="p", search=0)
    assert len(set(first.tolist())) == len(first) < len(rows)
    np.testing.assert_array_equal(first, deal(rows, seed=1, person="p", search=0))
    for other in ({"seed": 2}, {"person": "q"}, {"search": 1}):
        assert not np.array_equal(first, deal(rows, **{"seed": 1, "person": "p", "search": 0, **other}))
    assert sorted(deal(rows[:4], seed=1, person="p", search=0)) == [0, 1, 2, 3]


def test_seeds_that_follow_one_another_share_no_row_until_the_pool_is_used_up():
    hands = [set(deal(np.arange(28), seed=seed, person="p", search=0).tolist()) for seed in range(4)]
    assert len(hands[0] | hands[1] | hands[2]) == 24
    assert hands[3] not in hands[:3]


def test_a_pool_is_halved_by_distance_and_keeps_its_order():
    rows, away = np.array([7, 3, 9, 1, 5, 8, 2, 6, 4, 0] * 2) + np.repeat([0, 10], 10), np.arange(20.0) % 7
    kept = farthest(rows, away)
    assert len(kept) == 10
    assert away[np.isin(rows, kept)].min() >= away[~np.isin(rows, kept)].max()
    np.testing.assert_array_equal(kept, rows[np.isin(rows, kept)])
    fewer = farthest(rows[:9], np.where(np.arange(9) == 4, 0, 1))
    np.testing.assert_array_equal(fewer, np.delete(rows[:9], 4))  # as many as a search mixes
    np.testing.assert_array_equal(farthest(rows[:4], away[:4]), rows[:4])


def test_the_shares_of_rows_add_up_and_follow_what_is_taken_from_them():
    identity = draw(np.arange(9), seed=0, person="p", number=0)
    assert identity.shares.sum() == pytest.approx(1)
    one = replace(identity, weights=np.eye(3)[1], shapes=np.tile(np.eye(3)[1], (len(REGIONS), 1)), parts=np.full(len(PARTS), 1))
    np.testing.assert_allclose(one.shares, [0, 1, 0], atol=1e-12)


def test_a_descendant_has_traits_of_its_parent_and_of_another_and_no_other_eyes():
    parent, drawn = (draw(np.arange(9), seed=0, person="p", number=number) for number in (0, 1))
    children = [descendant(parent, drawn, seed=0, person="p", number=number) for number in range(40)]
    eyes = PARTS.index("eyes")
    for child in children:
        assert set(child.rows) <= {*parent.rows, *drawn.rows}
        assert len(set(child.rows)) == len(child.rows) == len(parent.rows)
        assert child.rows[child.parts[eyes]] == parent.rows[parent.parts[eyes]]
        assert child.exaggeration in (parent.exaggeration, drawn.exaggeration)
        for shape, one, other in zip(child.shapes, parent.shapes, drawn.shapes, strict=True):
            assert (shape == one).all() or (shape == other).all()
    kept = np.mean([(child.shapes == parent.shapes).all(axis=1) for child in children])
    assert 0.5 < kept < 0.75
    assert len({child.rows.tobytes() + child.shapes.tobytes() for child in children}) > 20


@pytest.mark.parametrize("role", [0, 1])
def test_real_mean_faces_are_frontal(shipped, role):
    mean = (shipped.mean.neutral, shipped.mean.smiling)[role]
    camera = fit_camera(mean, mean[:68])
    assert np.abs([camera.yaw, camera.pitch, camera.roll]).max() < 0.1


def test_real_rows_are_frontal(shipped):
    turns = [fit_camera(shipped.mean.neutral, shipped.mesh(row, 0)[:68]).yaw for row in range(0, shipped.rows, 20)]
    assert np.abs(turns).max() < 12
    assert abs(np.median(turns)) < 3


def test_rows_with_the_shine_of_a_shaven_head_are_not_used(shipped):
    fitter = Fitter(shipped)
    odd = [row for row in range(0, shipped.rows) if not fitter.has_forehead(row)]
    assert {35, 74} <= set(odd)  # looked at: grey hair up to the brows
    assert len(odd) < 0.05 * shipped.rows
    tone = shipped.facts["tone"][74]
    person = Appearance(int(shipped.facts["sex"][74]), tone, float(shipped.facts["age"][74]), float(shipped.facts["beard"][74]))
    assert 74 in pool(shipped, person)
    assert not set(pool(shipped, person, suits=fitter.has_forehead)) & set(odd)


def test_what_is_redder_than_the_skin_is_less_so_in_darker_skin():
    lab = np.full((SIZE, SIZE, 3), (60.0, 12, 16), np.float32)
    lab[40:50, 40:50, 1] = 30
    skin = np.ones((SIZE, SIZE), dtype=bool)
    light = measure_light(lab, skin)
    dark = measure_light(lab * np.float32([0.5, 1, 1]), skin)
    for wanted, least, most in ((light, 17.5, 18.5), (dark, 8, 10)):
        made = relit(lab, light, wanted, follow=np.ones((SIZE, SIZE, 1), np.float32), darken=np.ones((SIZE, SIZE, 1), np.float32))
        assert least < made[45, 45, 1] - made[5, 5, 1] < most


def test_blue_irises_become_brown_and_brown_ones_stay():
    points = extend(drawn_face(50)[2])
    eye = points[36:42].mean(axis=0) * SIZE
    row, column = int(eye[1]), int(eye[0])
    for colour, changed in (((50.0, 0, -12), True), ((35.0, 9, 16), False)):
        lab = np.full((SIZE, SIZE, 3), colour, np.float32)
        brown = with_brown_irises(lab, points)
        assert (brown[row, column, 2] > lab[row, column, 2] + 10) == changed
        assert np.abs(brown - lab).sum(axis=2).astype(bool).mean() < 0.02


def _eye(points, number):
    """``(S, S)``: around the centre of an eye."""
    centre = points[list(EYES[number])].mean(axis=0) * SIZE
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.hypot(columns - centre[0], rows - centre[1]) < 0.06 * SIZE


def _shut(points, eye):
    """The landmarks with one eye's lids on each other."""
    shut = points.copy()
    _, a, b, _, c, d = eye
    shut[[a, d]], shut[[b, c]] = shut[[a, d]].mean(axis=0), shut[[b, c]].mean(axis=0)
    return shut


def test_the_iris_of_the_only_eye_that_is_preserved_counts(subject):
    one, other = (_eye(subject.points, number) for number in (0, 1))
    image = subject.image.copy()
    image[one], image[other] = (40, 60, 160), (120, 80, 40)
    assert kept_iris(image, subject.points, one & other) is None
    assert kept_iris(image, subject.points, one | other) is None
    for kept, colour in ((one, (40, 60, 160)), (other, (120, 80, 40))):
        np.testing.assert_allclose(kept_iris(image, subject.points, kept), to_lab(np.array([[colour]], np.float32))[0, 0], atol=0.5)


def test_an_eye_that_is_shut_has_no_iris_and_no_white(subject):
    points, one = _shut(subject.points, EYES[0]), _eye(subject.points, 0)
    assert kept_iris(subject.image, points, one) is None
    whites = whites_of(to_lab(subject.image), points)
    assert np.isnan(whites[0])
    assert whites[1] == whites_of(to_lab(subject.image), subject.points)[1]


def test_photographs_without_hair_do_not_count_for_its_colour(subject):
    dark, bald = replace(subject, hair=14.0), replace(subject, hair=np.inf)
    assert mean_hair([dark, bald, replace(subject, hair=16.0)]) == 15
    assert mean_hair([bald, bald]) == np.inf


def test_whites_become_as_light_as_the_photographs_and_irises_stay():
    points = extend(drawn_face(50)[2])
    lab = np.full((SIZE, SIZE, 3), (40.0, 4, 4), np.float32)
    for eye in EYES:
        centre = points[list(eye)].mean(axis=0) * SIZE
        rows, columns = np.mgrid[:SIZE, :SIZE]
        lab[np.hypot(columns - centre[0], rows - centre[1]) < 0.03 * SIZE, 0] = 20.0
    wanted = whites_of(lab, points) * [1.25, 0.5]
    made = with_whites(lab, points, wanted)
    assert whites_of(made, points)[0] == pytest.approx(50, rel=0.03)
    assert whites_of(made, points)[1] == pytest.approx(32, rel=0.03)  # no darker than the limit
    inner = points[list(EYES[0])].mean(axis=0) * SIZE
    assert made[int(inner[1]), int(inner[0]), 0] == pytest.approx(20, abs=0.5)
    assert np.array_equal(made[..., 1:], lab[..., 1:])
    assert np.array_equal(with_whites(lab, points, np.full(2, np.nan)), lab)


def test_irises_take_the_colour_of_the_preserved_one(bank, subject):
    wanted = np.array([45.0, -6, -14], np.float32)
    plain, blue = (Fitter(bank).fit(identity_of(bank, 0), subject, (Semantic.EYES,), iris=iris) for iris in (None, wanted))
    away = ~np.any([_eye(extend(plain.points), number) for number in (0, 1)], axis=0)
    np.testing.assert_allclose(plain.image[away], blue.image[away], atol=0.5)
    for number in (0, 1):
        eye = plain.points[list(EYES[number])].mean(axis=0) * SIZE
        row, column = int(eye[1]), int(eye[0])
        around = (slice(row - 1, row + 2), slice(column - 1, column + 2))
        assert to_lab(blue.image)[around][..., 2].mean() < to_lab(plain.image)[around][..., 2].mean() - 2
