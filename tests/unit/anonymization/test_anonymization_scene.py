"""Which face of a photograph is taken, and which is none to take."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from vera.anonymization.request import Options
from vera.anonymization.scene import cut_off, find_face
from vera.types import VeraError


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
    detector = SimpleNamespace(search=lambda _: ([SimpleNamespace(landmarks=low)], []))
    with pytest.raises(VeraError, match=r"'drawn' is cut off at its border .* give a photograph that shows the whole face"):
        find_face(detector, photograph, Options())
    whole = SimpleNamespace(search=lambda _: ([SimpleNamespace(landmarks=np.asarray(points))], []))
    assert find_face(whole, photograph, Options()).among == 1


def test_what_reading_warned_of_is_in_the_audit_by_the_photographs_name(photograph, points):
    detector = SimpleNamespace(search=lambda _: ([SimpleNamespace(landmarks=np.asarray(points))], []))
    read = replace(photograph, warnings=("its file holds several images",))
    assert find_face(detector, read, Options()).warnings == ("drawn: its file holds several images",)
