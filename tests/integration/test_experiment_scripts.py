"""The scripts that judge a bundle: what they would say of a bundle that copies people, on faces that are numbers."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vera.evaluation.metrics.frechet import FrechetDistance

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def script(monkeypatch):
    """A file of an experiment as a module; what lies beside it can be imported, as when it is run."""

    def load(experiment, name):
        monkeypatch.syspath_prepend(str(EXPERIMENTS / experiment))
        spec = importlib.util.spec_from_file_location(f"{experiment}_{name}", EXPERIMENTS / experiment / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


class Judge:
    measure = "euclidean"


def real(neighbours, person, at, whole, surround):
    seen = neighbours.Seen(np.array([at, whole], float), torch.tensor(surround).half())
    return neighbours.Real(person, np.zeros((4, 4, 3), np.uint8), seen)


def test_neighbours_among_people(script):
    neighbours = script("memorisation", "neighbours")
    people = [
        real(neighbours, "a", (0, 0), (0, 5), (0.0, 0.0)), real(neighbours, "a", (1, 0), (9, 9), (1.0, 0.0)),
        real(neighbours, "b", (4, 0), (9, 9), (0.0, 2.0)),
    ]  # fmt: skip
    made = [neighbours.Seen(np.array([[0.0, 4.0]]), torch.tensor((0.0, 1.5)).half())]
    assert neighbours.apart(made, people, "face", Judge()).tolist() == [pytest.approx([1, 17**0.5, 32**0.5])]  # the nearer version counts
    assert neighbours.apart(made, people, "surround", Judge()).tolist() == [[2.25, 3.25, 0.25]]
    assert neighbours.nearest_other(people, "face", Judge(), same=False).tolist() == [4, 3, 3]
    assert neighbours.nearest_other(people, "face", Judge(), same=True).tolist() == [1, 1]  # b has one photograph only
    assert neighbours.per_person(np.array([[5.0, 2.0, 7.0], [3.0, 6.0, 8.0]]), people).tolist() == [2, 7]


def test_the_surround_is_compared_without_the_face(script):
    neighbours = script("memorisation", "neighbours")
    angles = np.linspace(0, np.pi, 17)
    points = np.full((68, 2), 128.0)
    points[:17] = np.column_stack([128 - 60 * np.cos(angles), 110 + 80 * np.sin(angles)])
    points[17:27, 1], points[33] = 90, (128, 130)
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    hidden = neighbours.painted(pixels, points)
    assert (hidden[110:180, 100:156] == 128).all()
    assert (hidden[:30] == pixels[:30]).all()
    assert (hidden[200:] == pixels[200:]).all()


@pytest.mark.parametrize(("found", "median", "below", "failures"), [
    (1.0, 0.6, 0.0, 0), (0.98, 0.6, 0.0, 1), (1.0, 0.54, 0.0, 1), (1.0, 0.6, 0.02, 1), (0.5, 0.3, 0.9, 3),
])  # fmt: skip
def test_a_bundle_that_copies_people_fails(script, found, median, below, failures):
    run = script("memorisation", "run")
    result = {"face_found": found, "face": {"nearest_training_person": {"median": median}, "share_below": {str(run.NEAR): below}}}
    assert len(run.verdict(result)) == failures


def test_a_look_at_each_image_is_enough_for_the_distance_of_sets(script):
    judged = script("heldout", "judged")
    features = judged.Lite0Features(side=32)
    torch.manual_seed(0)
    a, b = torch.rand(4, 3, 32, 32) * 2 - 1, torch.rand(4, 3, 32, 32)
    found = []
    for network, sides in ((features, (a, b)), (judged.Known(features), (features(a), features(b)))):
        metric = FrechetDistance(network)
        for one, is_real in zip(sides, (True, False), strict=True):
            metric.update(one, real=is_real)
        found.append(float(metric.compute()))
    assert found[0] > 1
    assert found[0] == pytest.approx(found[1])


def test_the_better_bundle_wins_and_the_same_one_does_not(script):
    run = script("heldout", "run")

    def result(frechet, perceptual=0.2, **more):
        sets = {str(side): {"frechet_lite0": frechet, "kernel_lite0": frechet / 9} for side in run.SIDES}
        return {"face_found": 1.0, "diversity": 0.8, "sets": sets, "reconstruction": {"perceptual": perceptual}, **more}

    assert run.verdict(result(20.0, 0.1), result(30.0)) == []
    assert len(run.verdict(result(30.0), result(30.0))) == 5
    assert len(run.verdict(result(20.0, 0.1, diversity=0.69, face_found=0.98), result(30.0))) == 2
    assert run.verdict(result(20.0, reconstruction=None), result(30.0)) == []


def test_pictures_of_another_side_stay_what_they_show(script):
    judged = script("heldout", "judged")
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    large = judged.shown(ramp, 128)
    assert large.shape == (128, 128, 3)
    assert np.abs(judged.shown(large, 64).astype(int) - ramp).max() <= 6


def test_a_threshold_lets_the_wanted_share_of_strangers_pass(script, monkeypatch):
    calibration = script("recogniser_calibration", "run")
    monkeypatch.setattr(calibration, "DRAWS", 40)
    people = np.repeat(np.arange(40), 3)
    first, second = np.triu_indices(len(people), k=1)
    same = people[first] == people[second]
    distances = np.where(same, 0.2, 0.0) + np.where(same, 0, np.random.default_rng(0).uniform(0.3, 1.3, len(first)))
    found = calibration.calibrate(distances, people, 0.4)
    assert (found["pairs_same"], found["pairs_different"]) == (120, 7020)
    assert found["authors"]["false_accept_rate"] == pytest.approx(0.1, rel=0.2)
    assert found["authors"]["true_accept_rate"] == 1
    assert set(found["at"]) == {"0.01", "0.001"}  # 7020 pairs cannot show one in 10,000
    for rate, point in found["at"].items():
        assert point["threshold"] == pytest.approx(0.3 + float(rate), abs=0.005)
        assert point["false_accepts"] == int(float(rate) * 7020)
        for value in ("threshold", "false_accept_rate"):
            low, high = point[f"{value}_interval"]
            assert low < point[value] < high


def test_a_turned_face_is_known_by_its_landmarks(script):
    turned = script("turned", "run")
    from vera.faces.detection import DetectedFace
    from vera.faces.photograph import photograph_from_pixels

    pixels = np.zeros((90, 120, 3), np.uint8)
    pixels[20:23, 80:83] = 255
    spot = np.argwhere(turned.rotated(photograph_from_pixels(pixels, "x"), 90).pixels[..., 0] > 128).mean(0)[::-1]
    points = np.array([[80.0, 20.0], [82.0, 22.0]])
    true = DetectedFace((0, 0, 1, 1), points, 1.0)
    assert turned.is_true(DetectedFace((0, 0, 1, 1), np.add(spot, [[-1, 1], [1, -1]]), 1.0), true, (90, 120), 90)
    assert not turned.is_true(true, true, (90, 120), 90)
