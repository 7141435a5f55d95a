"""How a head is turned, where features lie, and what the new face covers."""

import cv2
import numpy as np
import pytest
from tests.reference.drawn_bank import drawn_face

from vera.exemplars.fitting import FOREHEAD_CLASSES
from vera.exemplars.layout import (
    BROW_POINTS,
    EYE_POINTS,
    MOUTH,
    NOSE,
    WIDEST_JAW,
    Frontal,
    hairline,
    jawline,
    opening_of,
    smile_of,
    target,
    with_tilt_of,
)
from vera.exemplars.pose import DEPTH, eye_distance, fit_camera
from vera.exemplars.region import face_region, skin_of
from vera.mosaic.points import EYES, FOREHEAD_POINTS, extend
from vera.types import Semantic


def turned(points, yaw=0.0, pitch=0.0, roll=0.0):
    """The mean face as a camera shows it that is turned by these degrees."""
    solid = np.column_stack([points, DEPTH * eye_distance(points)]) - [0.5, 0.5, 0]
    x, y, z = np.radians([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return (solid @ (about_x @ about_y @ about_z).T)[:, :2] + 0.5


def test_a_frontal_face_is_not_turned(bank):
    mean = bank.mean.neutral
    camera = fit_camera(mean, mean[:68])
    assert np.abs([camera.yaw, camera.pitch, camera.roll]).max() < 1e-3
    np.testing.assert_allclose(camera.place(mean), mean, atol=1e-5)


def test_yaw_and_pitch_are_told_apart(bank):
    shown = turned(bank.mean.neutral, yaw=15, pitch=-8)
    camera = fit_camera(bank.mean.neutral, shown[:68])
    np.testing.assert_allclose((camera.yaw, camera.pitch), (15, -8), atol=1.5)
    np.testing.assert_allclose(camera.place(bank.mean.neutral), shown, atol=2e-3)


@pytest.mark.parametrize("angles", [(20, 0, 0), (-20, 0, 0), (0, 12, 0), (0, -12, 0), (0, 0, 10)])
def test_a_turned_head_is_found(bank, angles):
    shown = turned(bank.mean.neutral, *angles)
    camera = fit_camera(bank.mean.neutral, shown[:68])
    np.testing.assert_allclose((camera.yaw, camera.pitch, camera.roll), angles, atol=1.5)
    np.testing.assert_allclose(camera.place(bank.mean.neutral)[:68], shown[:68], atol=2e-3)


def test_the_smile_is_0_and_1_at_the_mean_faces(bank):
    camera = fit_camera(bank.mean.neutral, bank.mean.neutral[:68])
    smiles = [smile_of(bank.mean.at(share), bank.mean, camera) for share in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(smiles, [0, 0.5, 1], atol=1e-3)


@pytest.fixture
def source():
    _, labels, marks = drawn_face(50)
    return hairline(extend(marks), labels, FOREHEAD_CLASSES), labels


def test_the_forehead_ends_where_its_skin_ends(source):
    points, labels = source
    size = len(labels)
    centre = points[27:31].mean(axis=0)
    for number in (71, 72, 73):  # the middle of the forehead, where the rays leave through hair
        beyond = centre + (points[number] - centre) * 1.15
        within = centre + (points[number] - centre) * 0.9
        assert labels[tuple((within * size).astype(int)[::-1])] in (Semantic.SKIN, Semantic.BROWS)
        assert labels[tuple((beyond * size).astype(int)[::-1])] == Semantic.HAIR
    lower = labels.copy()
    lower[: int(0.3 * size)][lower[: int(0.3 * size)] == Semantic.SKIN] = Semantic.HAIR
    assert (hairline(points, lower, FOREHEAD_CLASSES)[72, 1]) > points[72, 1]


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0])
def test_lids_stay_as_far_apart_as_they_are(bank, source, factor):
    points = source[0].copy()
    for eye in EYES:
        middle = points[list(eye)].mean(axis=0)[1]
        points[list(eye), 1] = middle + factor * (points[list(eye), 1] - middle)
    camera = fit_camera(bank.mean.neutral, points[:68])
    made = target(bank.mean, points, camera=camera, smile=0.0, kept=())
    for eye in EYES:
        assert opening_of(made, eye) == pytest.approx(opening_of(points, eye), abs=0.01)


@pytest.mark.parametrize(
    ("known", "part"), [(Semantic.NOSE, NOSE), (Semantic.EYES, EYE_POINTS), (Semantic.BROWS, slice(17, 27)), (Semantic.MOUTH, MOUTH)]
)
def test_points_of_a_kept_class_stay(bank, source, known, part):
    points, _ = source
    camera = fit_camera(bank.mean.neutral, points[:68])
    given = {"camera": camera, "smile": 0.0}
    kept, free = target(bank.mean, points, kept=[known], **given), target(bank.mean, points, kept=[], **given)
    np.testing.assert_array_equal(kept[part], points[part])
    assert not np.allclose(free[part], points[part])


def test_a_forehead_ends_where_the_photographs_does_and_goes_on_under_a_fringe(bank, source):
    points, _ = source
    camera = fit_camera(bank.mean.neutral, points[:68])
    centre, own = points[27:31].mean(axis=0), camera.place(bank.mean.neutral)[FOREHEAD_POINTS]
    for factor in (0.6, 1.4):
        seen = points.copy()
        seen[FOREHEAD_POINTS] = centre + factor * (points[FOREHEAD_POINTS] - centre)
        made = target(bank.mean, seen, camera=camera, smile=0.0, kept=())[FOREHEAD_POINTS]
        wanted = centre + (points[FOREHEAD_POINTS] - centre) * _ratio(own, points[FOREHEAD_POINTS], centre)
        if factor > 1:
            wanted = seen[FOREHEAD_POINTS]
        np.testing.assert_allclose(made, wanted)


def _ratio(one, other, centre):
    return (np.linalg.norm(one - centre, axis=1) / np.linalg.norm(other - centre, axis=1))[:, None]


def test_the_region_is_the_face_without_hair_ears_and_neck(source):
    points, labels = source
    region = face_region(points, labels)
    size = len(labels)
    outline = np.vstack([points[:17], points[FOREHEAD_POINTS][::-1]])
    centre = points[27:31].mean(axis=0)
    wide = np.zeros((size, size), np.uint8)
    cv2.fillPoly(wide, [np.round((centre + 1.3 * (outline - centre)) * size).astype(np.int32)], 1)
    assert region.any()
    assert not (region & (wide == 0)).any()
    deep = cv2.erode(np.isin(labels, (Semantic.HAIR, Semantic.EARS, Semantic.NECK, Semantic.BACKGROUND)).astype(np.uint8), np.ones((7, 7)))
    assert not (region & (deep > 0)).any()
    features = np.isin(labels, (Semantic.EYES, Semantic.BROWS, Semantic.NOSE, Semantic.MOUTH))
    assert region[features].all()
    assert set(np.unique(labels[skin_of(labels, region)])) <= {Semantic.SKIN, Semantic.NOSE}


def test_brows_are_as_steep_as_the_other_faces_and_stay_in_their_place(bank):
    face, frowning = bank.mean.neutral.copy(), bank.mean.neutral.copy()
    frowning[[20, 21, 22, 23]] += [0, 0.03]
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    calm = frowning.copy()
    calm[BROW_POINTS] = with_tilt_of(frowning, face @ turn)
    for outer, inner in ((18, 21), (25, 22)):
        slope = [np.arctan2(*(one[inner] - one[outer])[::-1]) for one in (calm, face)]
        assert slope[0] == pytest.approx(slope[1], abs=1e-6)
    for brow in (slice(17, 22), slice(22, 27)):
        np.testing.assert_allclose(calm[brow].mean(axis=0), frowning[brow].mean(axis=0), atol=1e-9)
        lengths = [np.linalg.norm(one[brow][0] - one[brow][-1]) for one in (calm, frowning)]
        assert lengths[0] == pytest.approx(lengths[1])


def test_a_jaw_is_nowhere_inside_the_photographs(bank, source):
    points, _ = source
    camera = fit_camera(bank.mean.neutral, points[:68])
    centre = points[27:31].mean(axis=0)
    for factor in (0.8, 1.2):
        own = Frontal(*(0.5 + factor * (one - 0.5) for one in (bank.mean.neutral, bank.mean.smiling)))
        jaw = target(own, points, camera=camera, smile=0.0, kept=())[:17]
        known = points[:17] - centre
        reach = ((jaw - centre) * known).sum(axis=1) / (known * known).sum(axis=1)
        assert reach.min() >= 1 - 1e-9
        assert (reach.max() > 1.01) == (factor > 1)


def test_the_border_of_the_region_has_no_notches(source):
    """A parser's steps in the jaw line are evened out."""
    points, labels = source
    labels = np.kron(labels, np.ones((4, 4), np.uint8))
    size = len(labels)
    rows, columns = np.mgrid[:size, :size]
    notched = labels.copy()
    notched[(rows > points[8, 1] * size - 20) & (labels == Semantic.SKIN) & (columns // 6 % 2 == 0)] = Semantic.NECK
    plain, made = (face_region(points, one) for one in (labels, notched))
    lengths = [cv2.arcLength(max(cv2.findContours(one.astype(np.uint8), 0, 1)[0], key=len), True) for one in (plain, made)]
    assert lengths[1] < 1.05 * lengths[0]  # 1.15 times as long without


@pytest.mark.parametrize(("beyond", "found"), [(1.06, 1.06), (0.95, 1.0), (1.3, WIDEST_JAW)])
def test_the_jaw_goes_on_to_the_border_of_the_region(source, beyond, found):
    points, _ = source
    centre = points[27:31].mean(axis=0)
    outline = np.vstack([centre + beyond * (points[:17] - centre), points[68:77][::-1]])
    region = cv2.fillPoly(np.zeros((512, 512), np.uint8), [np.round(outline * 512).astype(np.int32)], 1) > 0
    made = jawline(points, region)
    reach = np.linalg.norm(made[2:15] - centre, axis=1) / np.linalg.norm(points[2:15] - centre, axis=1)
    np.testing.assert_allclose(reach, found, atol=0.012)
    np.testing.assert_array_equal(made[17:77], points[17:77])
