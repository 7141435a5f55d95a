"""experiments/parser: pictures that are their own labels, and a parser that reads them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from vera.data.procedural import ProceduralFaces
from vera.data.sample import Sample
from vera.types import NUM_CLASSES

FILE = Path(__file__).parents[2] / "experiments" / "parser" / "parser.py"


class Reader:
    """Reads class numbers off the picture, 20 grey values each."""

    name = "reader"

    def parse(self, face):
        grey = (face.image[0] + 1) * 127.5
        return torch.nn.functional.one_hot((grey / 20).round().long().clamp(0, NUM_CLASSES - 1), NUM_CLASSES).permute(2, 0, 1).float()


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("parser_experiment", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def faces():
    labels = [ProceduralFaces(size=64, count=4, seed=0)[n]["labels"] for n in range(4)]
    return [(Sample(image=(20 * own)[None].expand(3, -1, -1).contiguous(), labels=own), np.full((68, 2), 20.0)) for own in labels]


def test_who_reads_the_labels_agrees_with_them(script, faces):
    exact = script.agrees(Reader(), faces, "as they are")
    assert exact["mean"] == 1
    assert set(script.JUDGED) <= set(exact["iou"])
    turned = script.agrees(Reader(), faces, "turned 20 degrees")  # at borders, between two classes, it reads a third
    assert min(turned["iou"][name] for name in ("background", "skin")) > 0.8
    assert turned["mean"] < 1


def test_a_turned_faces_landmarks_turn_with_it(script, faces):
    sample, points = faces[0]
    spot = Sample(image=torch.zeros(3, 64, 64, dtype=torch.uint8), labels=sample["labels"])
    spot["image"][:, 19:22, 19:22] = 255
    turned, moved = script.changed(spot, points, "turned 20 degrees", 0)
    rows, columns = np.nonzero(script.pixels_of(turned)[..., 0] > 128)
    assert np.allclose(moved[0], (columns.mean(), rows.mean()), atol=0.5)
    assert not np.allclose(moved[0], points[0], atol=3)


def test_other_conditions_change_the_picture_only(script, faces):
    for condition in ("other light", "other background"):
        sample, points = script.changed(*faces[1], condition, 7)
        again, _ = script.changed(*faces[1], condition, 7)
        assert torch.equal(sample["image"], again["image"])
        assert not torch.equal(sample["image"], faces[1][0]["image"])
        assert torch.equal(sample["labels"], faces[1][0]["labels"])
        assert points is faces[1][1]


def test_times_are_taken_in_turns(script, faces):
    times = script.seconds([Reader()], [script.enlarged(*face) for face in faces[:2]])
    assert times.keys() == {"reader"}
    assert times["reader"] > 0
