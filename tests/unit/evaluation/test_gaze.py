"""Position of the irises: drawn eyes whose irises are known, with a stand-in for the network."""

import cv2
import numpy as np
import pytest

from vera.evaluation.judges import Observation
from vera.evaluation.measures.base import Original, Written
from vera.evaluation.measures.photographs import AttributesKept
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.gaze import SIDE, IrisPosition
from vera.faces.photograph import photograph_from_pixels
from vera.types import VeraError

WIDTH = 40


class Darkest:
    """A stand-in for MediaPipe's network: the centre of the dark pixels is the iris."""

    def setInput(self, blob):
        self.crop = blob[0].mean(axis=0)

    def forward(self, name):
        assert self.crop.shape == (SIDE, SIDE)
        assert self.crop.max() <= 1
        dark = np.clip(0.5 - self.crop, 0, None)
        rows, columns = np.indices(dark.shape)
        middle = [(part * dark).sum() / max(dark.sum(), 1e-9) + 0.5 for part in (columns, rows)]
        return np.tile([*middle, 0.0], 5)[None].astype(np.float32)


@pytest.fixture
def find(tmp_path, monkeypatch):
    (tmp_path / "iris.tflite").write_bytes(b"stand-in")
    monkeypatch.setattr(cv2.dnn, "readNetFromTFLite", lambda path: Darkest())
    return IrisPosition(tmp_path / "iris.tflite")


def face(irises, turn=0.0, scale=1.0):
    """A bright picture with two dark discs, and landmarks; irises are (along, across) in widths of the eye."""
    pixels, marks = np.full((400, 400, 3), 230, np.uint8), np.random.default_rng(0).uniform(100, 300, (68, 2))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for (left, right), middle, iris in zip(((36, 39), (42, 45)), (-60, 60), irises, strict=True):
        centre = np.array([200, 200]) + scale * rotation @ np.array([middle, 0])
        marks[left], marks[right] = (centre + scale * rotation @ np.array([side * WIDTH / 2, 0]) for side in (-1, 1))
        cv2.circle(pixels, np.round(centre + scale * WIDTH * rotation @ iris).astype(int).tolist(), 4, (0, 0, 0), -1)
    return pixels, marks


@pytest.mark.parametrize(("turn", "scale"), [(0.0, 1.0), (0.35, 1.5), (-0.6, 1.0)])
def test_irises_are_found_where_they_are_in_each_eyes_own_frame(find, turn, scale):
    irises = np.array([[0.2, -0.1], [-0.15, 0.05]])
    np.testing.assert_allclose(find(*face(irises, turn, scale)), irises, atol=0.03)  # discs lie on whole pixels


def test_a_measure_of_the_change_of_gaze(find):
    measure = AttributesKept(AttributePreservation(), gaze=find)
    for aside in (0.0, 0.1, 0.2):
        before, after = (face(np.array([[off, 0.0], [off, 0.0]])) for off in (aside, aside - 0.1))
        seen = [Observation({"dlib": True}, marks, {}) for _, marks in (before, after)]
        original = Original("p", None, photograph_from_pixels(before[0], "p"), seen[0])
        measure.written(Written(original, photograph_from_pixels(after[0], "p"), np.zeros((400, 400), bool), seen[1]))
    found = measure.result()
    assert found["gaze"]["along"]["mean_difference"] == pytest.approx(0.1, abs=0.02)
    assert found["gaze"]["along"]["correlation"] > 0.95
    assert found["gaze"]["across"]["mean_difference"] < 0.02
    assert found["absent"] == ["age"]


def test_what_is_no_iris_network_is_refused(tmp_path, monkeypatch):
    with pytest.raises(VeraError, match=r"the wheel of mediapipe 0\.10\.21 carries it"):
        IrisPosition(tmp_path / "absent.tflite")
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    with pytest.raises(VeraError, match="cannot be loaded"):
        IrisPosition(tmp_path / "broken.tflite")


def test_an_eye_in_one_point_is_refused(find):
    pixels, marks = face(np.zeros((2, 2)))
    marks[36] = marks[39]
    with pytest.raises(VeraError, match="fall into one point"):
        find(pixels, marks)
