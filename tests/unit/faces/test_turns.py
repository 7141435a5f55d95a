from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from vera.faces.detection import DetectedFace, DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.turns import TURNS, TurnDetector, TurnedFind, distinct, overlap, quick_detectors, search_turns, turned, turned_back
from vera.types import Points


@pytest.fixture(scope="module")
def detector() -> DlibDetector:
    return DlibDetector()


@pytest.fixture(scope="module")
def quick(detector: DlibDetector) -> list[TurnDetector]:
    return quick_detectors(detector)


@pytest.fixture(scope="module")
def landmarks(detector: DlibDetector) -> Points:
    return detector.detect(photograph_from_pixels(data.astronaut(), "astronaut"))[0].landmarks


@pytest.mark.parametrize("turn", TURNS)
def test_points_of_a_turned_image_go_back_to_their_pixels(turn: int) -> None:
    pixels = np.random.default_rng(turn).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    view = turned(pixels, turn)
    rows, columns = np.mgrid[: view.shape[0], : view.shape[1]]
    home = turned_back(np.column_stack([columns.ravel(), rows.ravel()]), turn, (7, 5)).astype(int)
    np.testing.assert_array_equal(pixels[home[:, 1], home[:, 0]].reshape(view.shape), view)


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_face_scores_best_where_it_is_upright_and_is_found_in_place(
    quick: list[TurnDetector], landmarks: Points, turn: int
) -> None:
    portrait = data.astronaut()[:320, 60:380]
    photograph = photograph_from_pixels(turned(portrait, -turn % 4), "turned")
    found = search_turns(quick, photograph)
    assert {find.detector for find in found} == {"dlib-hog-68", "yunet-68"}
    for name in ("dlib-hog-68", "yunet-68"):
        best = max((find for find in found if find.detector == name), key=lambda find: find.face.score)
        assert best.turn == turn
        home = turned_back(best.face.landmarks, -turn % 4, (320, 320)) + np.array([60, 0])
        assert np.linalg.norm(home - landmarks, axis=1).mean() < 4  # the face is about 100 px wide


def test_yunet_reads_landmarks_of_a_large_photograph_in_its_own_pixels(quick: list[TurnDetector], landmarks: Points) -> None:
    large = np.kron(data.astronaut(), np.ones((4, 4, 1), dtype=np.uint8))
    (face,) = quick[1].detect(photograph_from_pixels(large, "large"))
    assert np.linalg.norm((face.landmarks + 0.5) / 4 - 0.5 - landmarks, axis=1).mean() < 4
    assert face.score > 0.9
    assert quick[1].detect(photograph_from_pixels(np.full((3, 2, 3), 90, np.uint8), "grey")) == []


def test_a_quick_search_does_not_enlarge(detector: DlibDetector, quick: list[TurnDetector]) -> None:
    small = photograph_from_pixels(data.astronaut()[::2, ::2], "small")
    assert detector.detect(small)
    assert not quick[0].detect(small)
    assert detector.detect(small)  # the first one still enlarges


def test_a_face_is_kept_once_a_detector_in_the_turns_that_suit_it() -> None:
    def find(score: float, turn: int, detector: str = "a", left: float = 0.0) -> TurnedFind:
        return TurnedFind(DetectedFace((left, 0.0, left + 10.0, 10.0), np.zeros((68, 2)), score), turn, detector)

    finds = [find(0.90, 1), find(0.95, 0), find(0.94, 2), find(0.5, 0, "b"), find(0.6, 3, left=50.0), find(0.93, 0, left=1.0)]
    kept = distinct(finds, {"a": 0.02, "b": 0.3})
    assert [(one.face.score, one.detector) for one in kept] == [(0.95, "a"), (0.94, "a"), (0.6, "a"), (0.5, "b")]


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 10, 15, 15)) == 0
