"""``--landmarks``: a face that is pointed out where detection fails, with a warning, and the same verification."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.unit.anonymization.conftest import Detector, Parser, Recogniser, face_points
from tests.unit.cli.folders import audit_of

from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.recheck import Rechecker
from vera.cli.assembly import PersonAnonymizer

POINTS = face_points().tolist()
BOX = [30, 60, 140, 130]


class Blind(Detector):
    """Finds no face by itself, and landmarks in any box."""

    def landmarks(self, pixels, box):
        return face_points()


@pytest.fixture
def detector(monkeypatch):
    """The detector of the call; a test may give it faces."""
    detector = Blind()

    def assemble(bundle, device, options, **choices):
        made = VeraAnonymizer(ObscuringRenderer("cover"), detector=detector, parser=Parser(), recognisers=[Recogniser()], options=options)
        return PersonAnonymizer(made, {"false_accept_rate": 0.001})

    rechecker = Rechecker(detector=detector, recognisers=[Recogniser()])
    monkeypatch.setattr("vera.cli.assembly.assemble", assemble)
    monkeypatch.setattr("vera.cli.verify.recheckers", lambda *arguments: lambda far: rechecker)
    return detector


@pytest.fixture
def call(vera, tmp_path, detector):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(90, 190, (240, 200, 3), dtype=np.uint8)).save(tmp_path / "a.png")

    def run(content, *options):
        given = []
        if content is not None:
            (tmp_path / "face.json").write_text(content if isinstance(content, str) else json.dumps(content))
            given = ["--landmarks", tmp_path / "face.json"]
        return vera("anonymize", tmp_path / "a.png", *given, "--preserve", "left_eye", "--out", tmp_path / "out", *options)

    return run


@pytest.mark.parametrize("content", [{"landmarks": POINTS}, {"box": BOX}, {"box": BOX, "landmarks": POINTS}])
def test_a_given_face_is_anonymized_warned_about_and_verified_again(vera, call, tmp_path, content):
    code, _, told = call(None)
    assert (code, "no face found" in told) == (2, True)
    code, _, told = call(content)
    assert code == 0, told
    record = audit_of(tmp_path / "out")["people"][0]
    assert any("the face was given (--landmarks), not found" in warning for warning in record["warnings"])
    assert record["options"]["given"] == {"box": None, "landmarks": None} | content
    assert (np.asarray(Image.open(tmp_path / "out" / "a.png"))[140, 100] == 0).all()
    assert (np.asarray(Image.open(tmp_path / "out" / "a.preserved.png")) > 0)[102, 130]
    code, said, told = vera("verify", tmp_path / "out", "--sources", tmp_path)
    assert (code, said[:4]) == (0, "PASS"), said + told


def moved(*changes):
    points = face_points()
    for rows, by in changes:
        points[rows] += by
    return {"landmarks": points.tolist()}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("no JSON", "no valid JSON"),
        ("[1, 2]", "must be {"),
        ({}, "must be {"),
        ({"points": POINTS}, "must be {"),
        ({"box": None}, "must be {"),
        ({"box": [1, 2, 3]}, "the box must be"),
        ({"box": [1, 2, 3, 50]}, "the box must be"),
        ({"box": [1, 2, "50", 50]}, "the box must be"),
        ({"box": [1, 2, True, 50]}, "the box must be"),
        ({"box": [100, 2, 150, 150]}, "the given box reaches outside photograph 'a', which is 200 pixels wide"),
        ({"landmarks": POINTS[:67]}, "must be 68 points"),
        ({"landmarks": [*POINTS[:67], [1]]}, "must be 68 points"),
        ('{"landmarks": [[NaN, 1]]}', "not finite"),
        (moved((slice(None), (100, 0))), "the given landmarks reach outside photograph 'a'"),
        ({"landmarks": [[200 - x, y] for x, y in POINTS]}, "no upright face"),
        ({"landmarks": [[x, 240 - y] for x, y in POINTS]}, "no upright face"),
        ({"landmarks": [[x / 40, y / 40] for x, y in POINTS]}, "less than 10 pixels"),
    ],
)
def test_a_face_that_cannot_be_there_is_refused(call, tmp_path, content, says):
    code, _, told = call(content)
    assert code == 2
    assert says in told
    assert not list((tmp_path / "out").glob("*.png"))


def test_others_are_refused_unless_they_may_stay(call, detector, tmp_path):
    detector.points = (face_points((40, 50), 0.4), face_points())
    code, _, told = call({"landmarks": POINTS})
    assert (code, "1 face found in photograph 'a' beside the given one" in told) == (2, True)
    code, _, told = call({"landmarks": POINTS}, "--leave-others")
    assert code == 0, told


@pytest.mark.parametrize("options", [("--face", "1"), ("--upright", "auto")])
def test_what_contradicts_a_given_face_is_refused(call, options):
    code, _, told = call({"landmarks": POINTS}, *options)
    assert (code, "leave --face and --upright auto out" in told) == (2, True)


def test_it_belongs_to_one_photograph(vera, tmp_path, call):
    call({"landmarks": POINTS})
    photo = tmp_path / "a.png"
    code, _, told = vera("anonymize", photo, photo, "--landmarks", tmp_path / "face.json", "--out", tmp_path / "b")
    assert (code, "in one photograph" in told) == (2, True)
