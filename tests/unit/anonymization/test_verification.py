import json
from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from vera.anonymization.verification import MIRRORED, Verifier
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels
from vera.faces.recogniser_choice import embedded_recognisers
from vera.faces.turns import TurnedFind, quick_detectors
from vera.types import Anonymized

from .conftest import Detector, Recogniser, face_points


@pytest.fixture
def replaced(photograph):
    region = np.zeros(photograph.size, dtype=bool)
    region[60:195, 30:170] = True
    return region


def output(photograph, replaced, shift, name="one"):
    image = photograph.pixels.copy()
    image[replaced] = (image[replaced].astype(int) + shift).clip(0, 255).astype(np.uint8)
    return Anonymized(name, image, np.zeros_like(replaced), replaced)


def verifier(photograph, *, detector=None, recogniser=None, count=1):
    faces = Detector(face_points()).detect(photograph)
    return Verifier(
        [photograph] * count, faces * count, detector=detector or Detector(face_points()), recognisers=[recogniser or Recogniser()]
    )


def test_mirroring_is_its_own_inverse():
    np.testing.assert_array_equal(MIRRORED[MIRRORED], np.arange(68))
    points = face_points((0.0, 0.0))
    np.testing.assert_allclose((points * (-1, 1))[MIRRORED], points, atol=1e-9)


def test_a_changed_face_passes(photograph, replaced):
    verdict = verifier(photograph, count=2).judge([output(photograph, replaced, 40, name) for name in ("a", "b")])
    assert verdict.passed, verdict.reasons
    (record,) = verdict.record["recognisers"]
    assert np.shape(record["output_to_source"]) == (2, 2)
    assert record["between_outputs"] == [0.0]
    assert record["false_accept_rate"] == 0.5


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0, "only 0%"), (3, "still recognises")],
)
def test_a_face_that_stayed_is_refused(photograph, replaced, shift, words):
    verdict = verifier(photograph).judge([output(photograph, replaced, shift)])
    assert not verdict.passed
    assert any(words in reason for reason in verdict.reasons)


def test_a_face_nobody_finds_is_refused(photograph, replaced):
    for detector in (Detector(), Detector(face_points((20.0, 20.0), 0.3))):
        verdict = verifier(photograph, detector=detector).judge([output(photograph, replaced, 40)])
        assert any("no face is found" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(("moved", "right"), [((0.0, 0.0), True), ((70.0, 0.0), False), ((0.0, -70.0), False), ((500.0, 0.0), True)])
def test_a_face_beside_the_old_one_is_refused(photograph, replaced, moved, right):
    """As wrong landmarks put it there; a face that another detector sees somewhere else is somebody else's."""
    judge = verifier(photograph)
    (face,) = Detector(face_points() + np.array(moved)).detect(photograph)
    judge.seen = [[TurnedFind(face, 0, "second")]]
    verdict = judge.judge([output(photograph, replaced, 40)])
    assert verdict.passed == right, verdict.reasons
    assert right or "does not lie where second sees the old one" in verdict.reasons[0]


def test_outputs_that_do_not_match_each_other_are_refused(photograph, replaced):
    verdict = verifier(photograph, count=2).judge([output(photograph, replaced, 40, "a"), output(photograph, replaced, -40, "b")])
    assert any("one person" in reason for reason in verdict.reasons)


def test_a_touched_pixel_outside_or_preserved_is_refused(photograph, replaced):
    touched = output(photograph, replaced, 40)
    touched.image[0, 0] += 1
    assert any("outside" in reason for reason in verifier(photograph).judge([touched]).reasons)
    kept = replace(touched, preserved=~replaced)
    assert any("1 preserved pixels are not the source's" in reason for reason in verifier(photograph).judge([kept]).reasons)
    overlapping = replace(output(photograph, replaced, 40), preserved=replaced)
    assert any("preserved pixels are in" in reason for reason in verifier(photograph).judge([overlapping]).reasons)


def test_without_a_new_face_only_faces_and_their_likeness_are_not_required(photograph, replaced):
    faces = Detector(face_points()).detect(photograph)
    hidden = Verifier([photograph] * 2, faces * 2, detector=Detector(), recognisers=[Recogniser()], new_face=False)
    outputs = [output(photograph, replaced, 40, "a"), output(photograph, replaced, -40, "b")]
    assert hidden.judge(outputs).passed
    for broken, words in ((output(photograph, replaced, 3), "still recognises"), (output(photograph, replaced, 0), "only 0%")):
        assert any(words in reason for reason in hidden.judge([outputs[0], broken]).reasons)
    outputs[0].image[0, 0] += 1
    assert any("outside" in reason for reason in hidden.judge(outputs).reasons)


def test_a_distance_that_is_no_number_is_refused(photograph, replaced):
    class Broken(Recogniser):
        def distance(self, a, b):
            return float("nan")

    assert not verifier(photograph, recogniser=Broken()).judge([output(photograph, replaced, 40)]).passed


def test_sources_of_different_people_are_told(photograph):
    other = replace(photograph, pixels=255 - photograph.pixels, name="other")
    faces = Detector(face_points()).detect(photograph) * 2
    told = [
        Verifier(pair, faces, detector=Detector(), recognisers=[Recogniser()]).strangers()
        for pair in ([photograph, photograph], [photograph, other])
    ]
    assert told[0] == []
    assert len(told[1]) == 1
    assert "'drawn' and 'other'" in told[1][0]


def test_the_person_anywhere_in_the_output_is_refused():
    """The face is gone from its place and lies upside down in a corner, as a photograph on the wall might show it."""
    detector = DlibDetector()
    canvas = np.full((420, 420, 3), 128, dtype=np.uint8)
    canvas[:210, 210:] = data.astronaut()[:210, 120:330]
    photograph = photograph_from_pixels(canvas, "one")
    (face,) = detector.detect(photograph)
    replaced = np.zeros(photograph.size, dtype=bool)
    replaced[:210, 210:] = True
    gone = np.where(replaced[:, :, None], 90, canvas).astype(np.uint8)
    pasted = gone.copy()
    pasted[210:, :210] = canvas[:210, 210:][::-1, ::-1]
    judge = Verifier([photograph], [face], detector=detector, recognisers=embedded_recognisers(), others=quick_detectors(detector))
    for image, recognised in ((gone, False), (pasted, True)):
        verdict = judge.judge([Anonymized("one", image, np.zeros_like(replaced), replaced)])
        told = [reason for reason in verdict.reasons if "recognises the person at" in reason]
        assert [name in " ".join(told) for name in ("dlib-resnet-128", "sface-128")] == [recognised] * 2
    finds = verdict.record["recognisers"][1]["elsewhere"][0]
    assert {find["quarter_turns"] for find in finds if not find["passed"]} == {2}
    assert {find["detector"] for find in finds if not find["passed"]} == {"dlib-hog-68", "yunet-68"}
    json.dumps(verdict.record)
