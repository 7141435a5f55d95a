from __future__ import annotations

import json
from pathlib import Path

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


def test_it_states_what_its_threshold_means(recogniser: DlibRecogniser) -> None:
    assert recogniser.threshold == 0.6
    assert 0 < recogniser.false_accept_rate < 0.05
    assert "LFW" in recogniser.calibration
    assert "experiments/recogniser_calibration" in recogniser.calibration


def test_the_stated_rate_is_the_recorded_one(recogniser: DlibRecogniser) -> None:
    lines = (Path(__file__).parents[3] / "experiments/recogniser_calibration/results.jsonl").read_text().splitlines()
    row = [r for r in map(json.loads, lines) if r["recogniser"] == recogniser.name][-1]
    assert recogniser.threshold == row["threshold"]
    assert recogniser.false_accept_rate == pytest.approx(row["false_accept_rate"], rel=0.01)
    assert recogniser.calibration.startswith(f"{row['false_accepts']} of {row['pairs_different']} pairs")


def test_bad_landmarks_are_refused(recogniser: DlibRecogniser, landmarks: Points) -> None:
    for bad in (np.zeros((68, 2)), np.zeros((5, 2)), np.full((68, 2), np.inf)):
        with pytest.raises(VeraError, match="68"):
            recogniser.embed(astronaut(), bad)
    with pytest.raises(VeraError, match="outside"):
        recogniser.embed(astronaut(), landmarks + 5000)
