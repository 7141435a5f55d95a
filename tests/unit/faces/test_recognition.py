from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recognition import DlibRecogniser
from vera.types import Pixels, Points, VeraError


@pytest.fixture(scope="module")
def recogniser() -> DlibRecogniser:
    return DlibRecogniser()


@pytest.fixture(scope="module")
def landmarks() -> Points:
    return DlibDetector().detect(photograph_from_pixels(data.astronaut(), "astronaut"))[0].landmarks


def astronaut() -> Pixels:
    return data.astronaut()


def test_the_same_person_is_near_at_other_sizes_exposures_and_mirrored(recogniser: DlibRecogniser, landmarks: Points) -> None:
    pixels = astronaut()
    reference = recogniser.embed(pixels, landmarks)
    assert reference.shape == (128,)
    large = cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(pixels, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    for other, points in ((large, (landmarks + 0.5) * 4 - 0.5), (small, (landmarks + 0.5) * 0.7 - 0.5)):
        assert recogniser.distance(reference, recogniser.embed(other, points)) < 0.25
    dark = (pixels * 0.7).astype(np.uint8)
    assert recogniser.distance(reference, recogniser.embed(dark, landmarks)) < 0.3


def test_something_else_is_far(recogniser: DlibRecogniser, landmarks: Points) -> None:
    other = np.random.default_rng(0).integers(0, 255, astronaut().shape, dtype=np.uint8)
    assert recogniser.distance(recogniser.embed(astronaut(), landmarks), recogniser.embed(other, landmarks)) > recogniser.threshold


def test_only_the_surroundings_of_the_face_matter(recogniser: DlibRecogniser, landmarks: Points) -> None:
    low, high = landmarks.min(0) - 150, landmarks.max(0) + 150
    x0, y0 = np.maximum(low, 0).astype(int)
    x1, y1 = high.astype(int)
    crop = astronaut()[y0:y1, x0:x1]
    a, b = recogniser.embed(astronaut(), landmarks), recogniser.embed(crop, landmarks - [x0, y0])
    assert recogniser.distance(a, b) < 0.05


def test_it_repeats_exactly_and_distance_is_euclidean(recogniser: DlibRecogniser, landmarks: Points) -> None:
    assert np.array_equal(recogniser.embed(astronaut(), landmarks), recogniser.embed(astronaut(), landmarks))
    assert recogniser.distance(np.array([0.0, 3.0]), np.array([4.0, 0.0])) == 5


def test_it_states_what_its_thresholds_mean(recogniser: DlibRecogniser) -> None:
    assert 0.5 < recogniser.threshold < 0.6
    assert recogniser.refusal_threshold == 0.6  # the author's, which is stricter for anonymized faces
    assert recogniser.false_accept_rate == pytest.approx(0.001, rel=0.01)
    assert "LFW" in recogniser.calibration
    assert "experiments/recogniser_calibration" in recogniser.calibration


def test_at_a_high_false_accept_rate_the_calibrated_threshold_refuses() -> None:
    lax = DlibRecogniser(far=0.01)
    assert lax.refusal_threshold == lax.threshold > lax.authors_threshold


def test_bad_landmarks_are_refused(recogniser: DlibRecogniser, landmarks: Points) -> None:
    for bad in (np.zeros((68, 2)), np.zeros((5, 2)), np.full((68, 2), np.inf)):
        with pytest.raises(VeraError, match="68"):
            recogniser.embed(astronaut(), bad)
    with pytest.raises(VeraError, match="outside"):
        recogniser.embed(astronaut(), landmarks + 5000)
