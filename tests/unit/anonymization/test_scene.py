"""Which face of a photograph is taken, and which is none to take."""

from dataclasses import replace
from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data

from vera.anonymization.request import Options
from vera.anonymization.scene import DARKEST, brightness, cut_off, find_face
from vera.anonymization.uprightness import better_turn, confirmed, unseen_faces, uprighted
from vera.faces.detection import DetectedFace, DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.turns import TurnedFind, quick_detectors
from vera.types import VeraError

from .conftest import Detector as DrawnDetector


def test_a_face_is_cut_off_where_a_landmark_lies_outside(points):
    size = (240, 200)
    assert not cut_off(points, size)
    for side, outside in (((0, 1), 240.0), ((0, 1), -1.0), ((5, 0), 200.0), ((5, 0), -1.0)):
        moved = points.copy()
        moved[side] = outside
        assert cut_off(moved, size)
    at_the_border = points.copy()
    at_the_border[0] = (199.0, 239.0)
    assert not cut_off(at_the_border, size)


def test_a_face_that_is_cut_off_is_refused_with_what_to_do(photograph, points):
    low = points + np.array([0, 240 - points[:, 1].max() + 3])
    detector = SimpleNamespace(name="drawn", search=lambda _: ([SimpleNamespace(landmarks=low, area=1.0)], []))
    with pytest.raises(VeraError, match=r"'drawn' is cut off at its border .* give a photograph that shows the whole face"):
        find_face(detector, photograph, Options())
    whole = SimpleNamespace(name="drawn", search=lambda _: ([SimpleNamespace(landmarks=np.asarray(points), area=1.0)], []))
    assert find_face(whole, photograph, Options()).among == 1


def test_a_face_too_dark_for_its_colours_is_refused_with_what_to_do(photograph, points):
    detector = SimpleNamespace(name="drawn", search=lambda _: ([SimpleNamespace(landmarks=np.asarray(points), area=1.0)], []))
    face = brightness(photograph, points)
    for share, refused in ((0.08, True), ((DARKEST - 2) / face, True), ((DARKEST + 2) / face, False), (1, False)):
        shaded = photograph_from_pixels(np.round(photograph.pixels * share).astype(np.uint8), "drawn")
        if refused:
            with pytest.raises(VeraError, match=r"'drawn' is too dark .* give a photograph with more light"):
                find_face(detector, shaded, Options())
        else:
            assert find_face(detector, shaded, Options()).among == 1


def test_a_dark_background_is_no_dark_face(photograph, points):
    pixels = photograph.pixels.copy()
    left, top = points.min(axis=0).astype(int)
    right, bottom = points.max(axis=0).astype(int) + 1
    outside = np.ones(pixels.shape[:2], dtype=bool)
    outside[top:bottom, left:right] = False
    pixels[outside] = 0
    assert brightness(photograph_from_pixels(pixels, "drawn"), points) == brightness(photograph, points)


def test_what_reading_warned_of_is_in_the_audit_by_the_photographs_name(photograph, points):
    detector = SimpleNamespace(name="drawn", search=lambda _: ([SimpleNamespace(landmarks=np.asarray(points), area=1.0)], []))
    read = replace(photograph, warnings=("its file holds several images",))
    assert find_face(detector, read, Options()).warnings == ("drawn: its file holds several images",)


@pytest.fixture(scope="module")
def eyes():
    """dlib's detector, and the detectors that look in quarter turns."""
    detector = DlibDetector()
    return detector, quick_detectors(detector)


@pytest.mark.parametrize(("turn", "how"), [(1, "a quarter turn clockwise"), (2, "a half turn"), (3, "a quarter turn anticlockwise")])
def test_a_turned_photograph_is_refused_with_how_to_turn_it(eyes, turn, how):
    detector, others = eyes
    portrait = data.astronaut()[:320, 60:380]
    upright = find_face(detector, photograph_from_pixels(portrait, "astronaut"), Options(), others)
    assert upright.among == 1
    turned = photograph_from_pixels(np.ascontiguousarray(np.rot90(portrait, turn)), "astronaut")
    with pytest.raises(VeraError, match=rf"'astronaut' is not upright: turn the photograph upright \({how}\)"):
        find_face(detector, turned, Options(), others)


def seen(score, *, turn=0, detector="second", left=0.0, size=100.0):
    return TurnedFind(DetectedFace((left, 0.0, left + size, size), np.zeros((68, 2)), score), turn, detector)


def test_a_lone_weak_find_is_a_face_only_where_another_detector_sees_one():
    weak = [seen(0.1).face]
    assert confirmed([], weak, [], "first") == ([], weak)
    assert confirmed([], weak, [seen(0.9, turn=2)], "first") == ([], weak)
    assert confirmed([], weak, [seen(0.9, detector="first")], "first") == ([], weak)
    assert confirmed([], weak, [seen(0.9, left=10.0)], "first") == (weak, [])


def test_a_face_that_only_another_detector_sees_counts(points, photograph):
    other = seen(0.9, left=160.0, size=40.0)
    assert unseen_faces([seen(1.0).face], [other, seen(0.9), seen(0.5, left=300.0), seen(0.9, turn=1, left=300.0)], "first") == [other.face]
    first = DrawnDetector(points)
    both, nothing = ([DetectedFace(first.detect(photograph)[0].box, points, 0.9), other.face], []), ([], [])
    answers = cycle([both, nothing, nothing, nothing])  # of the four turns
    second = SimpleNamespace(name="second", turn_margin=0.1, search=lambda view: next(answers))
    with pytest.raises(VeraError, match="2 faces found in photograph 'drawn'"):
        find_face(first, photograph, Options(), [second])
    chosen = find_face(first, photograph, Options(face=1, leave_others=True), [second])
    assert chosen.among == 2
    assert "left as it is" in chosen.warnings[0]


def test_a_better_find_in_another_turn_wins():
    judge = SimpleNamespace(name="second", turn_margin=0.1)
    faces = [seen(1.0, detector="first").face]
    assert better_turn(faces, [seen(0.8), seen(0.85, turn=1)], "first", [judge]) == 0
    assert better_turn([], [seen(0.8), seen(0.85, turn=1)], "first", [judge]) == 0  # no face, but not for being turned
    for finds in ([seen(0.8), seen(0.95, turn=1)], [seen(0.7, turn=1)], [seen(0.8, left=300.0), seen(0.7, turn=1)]):
        assert better_turn(faces, finds, "first", [judge]) == 1


def test_a_photograph_and_its_mask_are_turned_upright_where_that_is_asked_for(eyes):
    detector, others = eyes
    portrait = data.astronaut()[:320, 60:380]
    mask = np.zeros((320, 320), dtype=bool)
    mask[200:220, 100:150] = True
    given = photograph_from_pixels(np.ascontiguousarray(np.rot90(portrait, 1)), "astronaut")
    upright, drawn, told = uprighted(detector, given, np.rot90(mask, 1), others)
    np.testing.assert_array_equal(upright.pixels, portrait)
    np.testing.assert_array_equal(drawn, mask)
    assert upright.digest == given.digest
    assert told == ["astronaut: the photograph was turned upright (a quarter turn clockwise), and so is its output"]
    again = uprighted(detector, upright, None, others)
    assert again == (upright, None, [])
