from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import pytest
from skimage import data

from vera.faces import detection
from vera.faces.detection import DetectedFace, DlibDetector, merge_duplicates, search_scale
from vera.faces.photograph import photograph_from_pixels
from vera.types import Photograph, Pixels, VeraError


@pytest.fixture(scope="module")
def detector() -> DlibDetector:
    return DlibDetector()


@pytest.fixture(scope="module")
def astronaut() -> Pixels:
    return data.astronaut()


def named(pixels: Pixels) -> Photograph:
    return photograph_from_pixels(pixels, "test")


def scaled(pixels: Pixels, factor: float) -> Pixels:
    flag = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=flag))


def test_the_astronaut_has_one_face_with_landmarks_in_place(detector: DlibDetector, astronaut: Pixels) -> None:
    (face,) = detector.detect(named(astronaut))
    assert face.landmarks.shape == (68, 2)
    left_eye, right_eye, nose, mouth = (face.landmarks[a:b].mean(0) for a, b in ((36, 42), (42, 48), (30, 36), (48, 68)))
    assert np.allclose(left_eye, (203, 101), atol=4)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < mouth[1]


def test_a_weak_find_beside_a_better_one_does_not_count_but_is_told(detector: DlibDetector, astronaut: Pixels) -> None:
    faces, weak = detector.search(named(astronaut))
    assert len(faces) == 1
    assert [find.score < detection.WEAK < faces[0].score for find in weak] == [True]  # a pattern on the suit


@pytest.mark.parametrize("factor", [0.5, 2.0, 5.0])
def test_landmarks_follow_the_photographs_size(detector: DlibDetector, astronaut: Pixels, factor: float) -> None:
    reference = detector.detect(named(astronaut))[0].landmarks
    other = detector.detect(named(scaled(astronaut, factor)))[0].landmarks
    error = np.linalg.norm((other + 0.5) / factor - 0.5 - reference, axis=1)
    assert np.median(error) < 2.0  # the face is about 100 px wide


def test_a_face_filling_the_frame_is_found(detector: DlibDetector, astronaut: Pixels) -> None:
    face = detector.detect(named(scaled(astronaut[40:210, 140:300], 10)))
    assert len(face) == 1


def test_a_small_face_in_a_large_photograph_is_found(detector: DlibDetector, astronaut: Pixels) -> None:
    canvas = np.full((2000, 3000, 3), 128, np.uint8)
    canvas[1200:1712, 2000:2512] = astronaut
    canvas[100:1124, 100:1124] = scaled(astronaut, 2)
    large, small = detector.detect(named(canvas))
    assert large.area > small.area
    assert 2000 < small.landmarks[:, 0].mean() < 2512


def test_no_face_gives_an_empty_list(detector: DlibDetector) -> None:
    assert detector.detect(named(np.full((300, 400, 3), 90, np.uint8))) == []
    assert detector.detect(named(np.full((3, 2, 3), 90, np.uint8))) == []


def test_the_search_scale_enlarges_small_and_shrinks_only_huge_photographs() -> None:
    assert search_scale(250, 250) == 2
    assert search_scale(700, 1024) == 1
    assert search_scale(4000, 6000) == 1
    assert search_scale(12000, 16000) == pytest.approx(0.5)


def test_duplicates_are_merged_by_overlap_and_containment() -> None:
    face, shifted, inside, other = (0.0, 0.0, 100.0, 100.0), (10.0, 5.0, 105.0, 108.0), (30.0, 30.0, 60.0, 60.0), (90.0, 0.0, 190.0, 100.0)
    assert merge_duplicates([face, shifted, inside, other], [1.0, 2.0, 0.5, 0.1]) == [1, 3]
    assert DetectedFace(face, np.zeros((68, 2)), 1.0).area == 10_000


def test_missing_parts_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(VeraError, match="pip install face_recognition_models"):
        detection.dlib_weights("x.dat")

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(detection.importlib, "import_module", absent)
    with pytest.raises(VeraError, match="pip install dlib-bin"):
        DlibDetector()
