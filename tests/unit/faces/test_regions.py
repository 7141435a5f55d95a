"""Regions lie where they should on a drawn face: points of a frontal face, 60 pixels between the eyes, classes painted around them."""

import numpy as np
import pytest
from tests.unit.anonymization.conftest import face_points

from vera.faces.landmarks import eye_distance
from vera.faces.region_choice import NAMES, Region, parse_region, require_one_photograph, split_list
from vera.faces.regions import Parts, filled, shape_mask
from vera.types import Semantic, VeraError

SIZE = (240, 200)
CENTRES = {
    "teeth": (100, 159), "lips": (100, 162), "left_eye": (130, 102), "right_eye": (70, 102), "left_upper_eyelid": (130, 92),
    "right_upper_eyelid": (70, 92), "left_lower_eyelid": (130, 111), "right_lower_eyelid": (70, 111), "left_brow": (130, 81),
    "right_brow": (70, 81), "nose_tip": (100, 127), "nostrils": (100, 136), "left_cheek": (138, 136), "right_cheek": (62, 136),
    "cheeks": (100, 136), "chin": (100, 183), "forehead": (100, 62), "left_ear": (168, 115), "right_ear": (32, 115),
}  # fmt: skip
"""Where the middle of each region's pixels lies in the photograph (x, y), to a few pixels."""


@pytest.fixture
def points():
    """A mouth that is open by 12 pixels."""
    points = face_points()
    points[[65, 66, 67]] += (0, 8)
    points[55:60] += (0, 8)
    return points


@pytest.fixture
def labels(points):
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[filled(np.vstack([points[:17], [(160, 40), (40, 40)]]), SIZE)] = Semantic.SKIN
    for box in ((50, 90), (110, 150)):
        labels[77:86, box[0] : box[1]] = Semantic.BROWS
    labels[100:130, 164:173] = labels[100:130, 28:37] = Semantic.EARS
    labels[filled(points[48:60], SIZE)] = Semantic.MOUTH
    labels[filled(points[36:42], SIZE) | filled(points[42:48], SIZE)] = Semantic.EYES
    return labels


@pytest.mark.parametrize("name", NAMES)
def test_each_region_lies_where_it_should(points, labels, name):
    mask = Parts(points, labels).mask(name)
    rows, columns = np.nonzero(mask)
    assert len(rows) > 0.005 * eye_distance(points) ** 2
    assert (columns.mean(), rows.mean()) == pytest.approx(CENTRES[name], abs=6)
    side = {"left": columns > 100, "right": columns < 100}.get(name.split("_")[0])
    assert side is None or side.all(), "the patient's left is on the right of the photograph"


def test_a_turned_head_turns_its_regions(points, labels):
    """Points of a head that leans by 30 degrees; the classes are skin all over."""
    skin = np.full(SIZE, Semantic.SKIN, dtype=np.uint8)
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    leaning = (points - (100, 120)) @ turn.T + (100, 120)
    for name in ("left_lower_eyelid", "right_cheek", "nostrils", "chin"):
        upright, turned = (Parts(p, skin).mask(name) for p in (points, leaning))
        middle = np.argwhere(upright)[:, ::-1].mean(axis=0)
        assert np.argwhere(turned)[:, ::-1].mean(axis=0) == pytest.approx((middle - (100, 120)) @ turn.T + (100, 120), abs=1.5)
        assert turned.sum() == pytest.approx(upright.sum(), rel=0.08)


def test_regions_do_not_overlap(points, labels):
    parts = Parts(points, labels)
    count = sum(parts.mask(name).astype(int) for name in NAMES if name != "cheeks")
    assert (count > 1).sum() <= 0.02 * (count > 0).sum()


def test_a_fold_under_the_chin_leaves_no_piece_of_it_on_the_neck(points, labels):
    whole = Parts(points, labels).mask("chin")
    bottom = np.nonzero(whole)[0].max()
    labels[bottom - 4 : bottom - 1] = Semantic.NECK
    chin = Parts(points, labels).mask("chin")
    assert chin.any()
    np.testing.assert_array_equal(chin, whole & (np.arange(SIZE[0])[:, None] < bottom - 4))


def test_lips_and_teeth_are_the_mouth(points, labels):
    parts = Parts(points, labels)
    np.testing.assert_array_equal(parts.mask("lips") | parts.mask("teeth"), labels == Semantic.MOUTH)
    assert not (parts.mask("lips") & parts.mask("teeth")).any()


def test_a_closed_mouth_has_no_teeth_and_whole_lips(points, labels):
    points[[65, 66, 67]] = points[[63, 62, 61]] + (0, 1)
    with pytest.raises(VeraError, match="the mouth is closed"):
        Parts(points, labels).mask("teeth")
    np.testing.assert_array_equal(Parts(points, labels).mask("lips"), labels == Semantic.MOUTH)


@pytest.mark.parametrize(
    ("text", "name", "margin"),
    [
        ("left_eye", "left_eye", 0),
        (" Left Eye+0.25", "left_eye", 0.25),
        ("left-eye+.25", "left_eye", 0.25),
        ("lips+6.3mm", "lips", 0.1),
        ("mouth+63 mm", "mouth", 1),
        ("box:1,2,3,4+0.5", "box", 0.5),
        ("polygon:0,0,9,0,9,9+3.15mm", "polygon", 0.05),
    ],
)
def test_a_margin_is_in_eye_distances_or_mm(text, name, margin):
    region = parse_region(text)
    assert (region.name, region.margin) == (name, pytest.approx(margin))
    again = parse_region(str(region))
    assert (again.name, again.numbers, again.margin) == (region.name, region.numbers, pytest.approx(margin))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tooth", "did you mean 'teeth'"),
        ("nostril", "did you mean 'nostrils'"),
        ("chim", "did you mean 'chin'"),
        ("upper eyelid", "did you mean 'left_upper_eyelid'"),
        ("zzz", "for another part give box"),
        ("lips+0", "a margin is above 0 and at most 1"),
        ("lips+64mm", "a margin is above 0 and at most 1"),
        ("lips+", "its margin cannot be read"),
        ("lips+3cm", "its margin cannot be read"),
        ("lips:1,2", "unknown region 'lips:1,2'"),
        ("box", "a box is box:x,y,w,h"),
        ("box:1,2,3", "a box is box:x,y,w,h"),
        ("box:1,2,0,4", "a box is box:x,y,w,h"),
        ("box:1,2,nan,4", "a box is box:x,y,w,h"),
        ("box:a,b,c,d", "a box is box:x,y,w,h"),
        ("polygon:1,2,3,4", "at least three points"),
        ("polygon:1,2,3,4,5,6,7", "at least three points"),
    ],
)
def test_what_cannot_be_read_is_told(text, says):
    with pytest.raises(VeraError, match=says):
        parse_region(text)


def test_numbers_of_a_shape_stay_together_in_a_list():
    assert split_list(["box:1, 2,3,4,mouth", "polygon:0,0,1.5,0,1,1+3mm,lips+0.1"]) == [
        "box:1,2,3,4", "mouth", "polygon:0,0,1.5,0,1,1+3mm", "lips+0.1"
    ]  # fmt: skip


def test_shapes_cover_the_pixels_that_they_name():
    box = shape_mask(parse_region("box:10,20,3,2"), (40, 50), "x")
    assert np.argwhere(box).tolist() == [[r, c] for r in (20, 21) for c in (10, 11, 12)]
    triangle = shape_mask(parse_region("polygon:0,0,49,0,0,39"), (40, 50), "x")
    assert triangle[0, 0]
    assert triangle[0, 49]
    assert not triangle[39, 49]
    assert triangle.mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("text", ["box:-1,0,5,5", "box:46,0,5,5", "box:0,36,5,5", "polygon:0,0,50,0,0,9", "polygon:0,0,9,0,0,40"])
def test_shapes_outside_the_photograph_are_refused(text):
    with pytest.raises(VeraError, match="reaches outside photograph 'x', which is 50 pixels wide and 40 high"):
        shape_mask(parse_region(text), (40, 50), "x")


def test_a_shape_belongs_to_one_photograph():
    require_one_photograph([parse_region("box:1,1,2,2"), Region("lips")], 1)
    require_one_photograph([Region("lips")], 2)
    with pytest.raises(VeraError, match="'box:1,1,2,2' does not say to which"):
        require_one_photograph([parse_region("box:1,1,2,2")], 2)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("left_upper_eyelid", {Semantic.EYES, Semantic.BROWS}), ("right_lower_eyelid", {Semantic.EYES}), ("forehead", {Semantic.BROWS}),
        ("teeth", {Semantic.MOUTH}), ("nose_tip", {Semantic.NOSE}), ("chin", set()),
    ],
)  # fmt: skip
def test_what_borders_on_a_region_keeps_its_outline(name, classes):
    assert set(parse_region(name).outlined) == classes
