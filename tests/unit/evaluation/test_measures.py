from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vera.evaluation.judges import Observation
from vera.evaluation.measures.base import Original, Written, computed
from vera.evaluation.measures.photographs import AttributesKept, OfCrops, Useful
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.discrepancy import KernelDistance, MeanDiscrepancy
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.preservation import LpipsDistance
from vera.evaluation.report.table import figures
from vera.faces.photograph import photograph_from_pixels
from vera.features.pooled import PooledFeatures
from vera.types import VeraError

SIDE = 60


def landmarks():
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.column_stack([30 + 12 * np.cos(angle), 30 + 14 * np.sin(angle)])
    points[36:42], points[42:48], points[48], points[54] = (24, 26), (36, 26), (25, 38), (35, 38)
    return points


def written(shade=100, *, face=True, found=True):
    """A photograph of one shade, and a lighter one made from it."""
    marks = landmarks() if face else np.full((68, 2), np.nan)
    before = photograph_from_pixels(np.full((SIDE, SIDE, 3), shade, np.uint8), "a")
    after = photograph_from_pixels(np.full((SIDE, SIDE, 3), shade + 10, np.uint8), "b")
    original = Original("p", None, before, Observation({"first": face, "second": True}, marks, {}))
    return Written(original, after, np.zeros((SIDE, SIDE), dtype=bool), Observation({"first": found, "second": True}, marks, {}))


class Recorder(nn.Module):
    """Stands for a metric: keeps what it was given."""

    name = "recorder"

    def __init__(self):
        super().__init__()
        self.calls = []

    def reset(self):
        self.calls = []

    def update(self, *arguments, **options):
        self.calls.append((arguments, options))

    def compute(self):
        return torch.tensor(float(len(self.calls)))


def test_sets_of_crops_come_in_batches_the_last_one_smaller():
    metric = Recorder()
    measure = OfCrops(metric, size=16, batch_size=2, device="cpu")
    for shade in (10, 20, 30):
        measure.original(written(shade).original)
        measure.written(written(shade))
    measure.written(written(face=False))
    assert measure.result() == {"value": 4, "better": None, "images": 3, "without_face": 1, "crop": 16}
    given = {real: torch.cat([images for (images,), options in metric.calls if options == {"real": real}]) for real in (True, False)}
    assert given[True].shape == (3, 3, 16, 16)
    np.testing.assert_allclose(given[True][:, 0, 8, 8], torch.tensor([10, 20, 30]) / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(given[False][:, 0, 8, 8], torch.tensor([20, 30, 40]) / 127.5 - 1, atol=1e-6)
    measure.reset()
    assert measure.result()["images"] == 0


class Counting(PooledFeatures):
    """Mean colours of the crop's quarters; counts the images it has seen."""

    name = short = "counting"
    dimension = 12
    images = 0

    def forward(self, images):
        self.images += len(images)
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


@pytest.mark.parametrize(
    "metric",
    [FrechetDistance, lambda features: KernelDistance(features, subsets=3, subset_size=2), MeanDiscrepancy],
    ids=["frechet", "kernel", "discrepancy"],
)
def test_originals_are_looked_at_once_for_all_methods(metric):
    def measured(shades, measure):
        for shade in shades:
            measure.written(written(shade))
        return measure.result()

    def made():
        measure = OfCrops(metric(Counting()), size=16, batch_size=4, device="cpu")
        for shade in (10, 20, 30):
            measure.original(written(shade).original)
        return measure

    several = made()
    first = measured((40, 50, 90), several)
    assert several.next_method()
    second = measured((10, 60, 200), several)
    assert several.metric.features.images == 9
    assert first != second
    assert second == measured((10, 60, 200), made())


def test_pairs_of_crops_stay_together():
    class Difference(nn.Module):
        name = "difference"

        def forward(self, images, originals):
            return (images - originals).mean(dim=(1, 2, 3))

    measure = OfCrops(LpipsDistance(Difference()), size=16, batch_size=4, device="cpu")
    for shade in (10, 20):
        measure.original(written(shade).original)
        measure.written(written(shade))
    assert measure.result()["value"] == pytest.approx(10 / 127.5, abs=1e-6)


def test_attributes_only_where_the_first_detector_found_a_face_before_and_after():
    metric = Recorder()
    measure = AttributesKept(metric, age=lambda pixels, marks: float(pixels[0, 0, 0]))
    for one in (written(), written(found=False), written(face=False)):
        measure.written(one)
    ((arguments, options),) = metric.calls
    assert options == {"size": (SIDE, SIDE), "ages": (100, 110), "irises": None}
    np.testing.assert_array_equal(arguments[0], landmarks())


def test_landmarks_in_one_point_are_counted_and_stop_nothing():
    measure = AttributesKept(AttributePreservation())
    whole = written()
    measure.written(whole)
    measure.written(replace(whole, seen=replace(whole.seen, landmarks=np.full((68, 2), 20.0))))
    result = measure.result()
    assert (result["photographs"], result["without_pose"]) == (1, 1)
    measure.reset()
    assert measure.result()["without_pose"] == 0


def test_utility_gets_both_crops_of_one_place_and_landmarks_there():
    metric = Recorder()
    measure = Useful(metric, size=16, batch_size=2, device="cpu")
    for one in (written(10), written(20), written(30), written(face=False)):
        measure.written(one)
    measure.result()
    assert [len(arguments[3]) for arguments, _ in metric.calls] == [2, 1]
    anonymized, originals, marks, people = metric.calls[0][0]
    assert people == ("p", "p")
    assert torch.allclose(anonymized - originals, torch.full_like(originals, 10 / 127.5), atol=1e-6)
    eyes = marks[0, 36:48].mean(dim=0)
    assert eyes[0] == pytest.approx(7.5, abs=0.2)  # in the middle of the crop, a little above its centre
    assert 5 < eyes[1] < 8


class Figure:
    """A metric of one figure."""

    higher_is_better = None

    def __init__(self, found):
        self.found = found

    def compute(self):
        if isinstance(self.found, VeraError):
            raise self.found
        return self.found


def test_a_figure_of_too_few_photographs_says_why():
    assert computed(Figure(VeraError("too few"))) == {"value": None, "better": None, "why": "too few"}
    assert computed(Figure({"mean": 2.0, "std": 1.0})) == {"value": 2.0, "better": None, "mean": 2.0, "std": 1.0}
    assert computed(Figure({"share": 0.5})) == {"share": 0.5}


@pytest.mark.parametrize(("higher", "better", "arrow"), [(True, "more", " ↑"), (False, "less", " ↓"), (None, None, "")])
def test_a_single_figure_has_its_metrics_direction(higher, better, arrow):
    metric = Figure(torch.tensor(0.5))
    metric.higher_is_better = higher
    found = computed(metric)
    assert found == {"value": 0.5, "better": better}
    empty = {"written": 1, "all": 1, "refused": 0, "unusable": 0, "failed": 0}
    record = {"people": empty, "measures": {"likeness": found}, "seconds_a_photograph": None, "provenance": []}
    assert f"likeness{arrow}" in [figure.title for figure in figures([record])]
