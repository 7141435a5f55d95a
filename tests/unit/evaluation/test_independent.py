"""Figures against other libraries' on the same numbers, to 1e-6, where no other file of this folder compares them already.

AUC, EER, TAR, ranks and shares: ``test_over_people``; distances of sets: ``test_frechet``, ``test_discrepancy``, ``test_lpips``
and ``test_appearance``; closed lists and ranks of attackers: ``test_attackers``; gaps: ``test_fairness``.
"""

import numpy as np
import pytest
import torch
from scipy.ndimage import laplace
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation
from scipy.stats import pearsonr, sem, t
from sklearn.linear_model import Ridge as RidgeRegression
from sklearn.metrics import accuracy_score, mean_absolute_error
from sklearn.metrics.pairwise import paired_distances
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index
from torchmetrics.functional.image import peak_signal_noise_ratio

from vera.evaluation.metrics import appearance
from vera.evaluation.metrics.appearance import AppearanceChange
from vera.evaluation.metrics.attackers import outcome
from vera.evaluation.metrics.attributes import AttributePreservation, angle_between, expression
from vera.evaluation.metrics.preservation import Preservation, Replacement
from vera.evaluation.metrics.recognition import Diversity
from vera.evaluation.metrics.segmentation import agreement
from vera.evaluation.metrics.utility import Ridge
from vera.types import NUM_CLASSES

SIDE = 64
BOX = slice(10, 50), slice(8, 56)
RNG = np.random.default_rng(22)


def pictures():
    """Two grey pictures, and landmarks whose convex hull is :data:`BOX`."""
    levels = RNG.integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    marks = RNG.uniform(20, 40, (68, 2))
    marks[:4] = [[8, 10], [55, 10], [55, 49], [8, 49]]
    marks[36:42], marks[42:48] = (24, 24), (40, 24)
    return *(np.repeat(one[..., None], 3, axis=2) for one in levels), marks


def test_landmark_error_is_scikit_learns_and_sharpness_scipys():
    before, after, marks = pictures()
    kept = np.zeros((SIDE, SIDE), bool)
    kept[20:30, 20:44] = True
    found = marks + RNG.normal(0, 2, marks.shape)
    metric = AppearanceChange()
    metric.update(before, after, kept, marks, found)
    result, inside = metric.compute(), np.zeros((SIDE, SIDE), bool)
    inside[BOX] = True
    sharp = [laplace(one[..., 0].astype(float), mode="mirror")[inside & ~kept].std() for one in (after, before)]
    assert result["landmark_error"] == pytest.approx(paired_distances(marks, found).mean() / 16, abs=1e-6)
    assert result["sharpness"] == pytest.approx(sharp[0] / sharp[1], abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
        ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ],
)
def test_colour_differences_are_the_published_ones(first, second, expected):
    """Sharma, Wu and Dalal (2005), table 1: pairs 1 to 4 and 17, given to four decimals."""
    assert float(appearance._difference(np.array(first), np.array(second))) == pytest.approx(expected, abs=5e-5)


def test_psnr_is_torchmetrics_and_the_share_that_changed_scikit_learns():
    before, after, marks = pictures()
    after[::3] = before[::3]
    kept = np.zeros((SIDE, SIDE), bool)
    kept[5:40, 30:60] = True
    preservation, replacement = Preservation(), Replacement()
    preservation.update(before, after, kept)
    replacement.update(before, after, kept, marks)
    sides = [torch.from_numpy(one[kept].astype(np.float64)) for one in (after, before)]
    assert preservation.compute()["psnr"] == pytest.approx(float(peak_signal_noise_ratio(*sides, data_range=255.0)), abs=1e-6)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[BOX] = True
    same = accuracy_score(*(one[..., 0][inside & ~kept] for one in (before, after)))
    assert replacement.compute()["mean_share"] == pytest.approx(1 - same, abs=1e-6)
    steps = [_steps(one[..., 0].astype(float), kept) for one in (after, before)]
    assert preservation.compute()["seam_ratio"] == pytest.approx(steps[0] / steps[1], abs=1e-6)


def _steps(levels, region):
    """Mean absolute step between neighbours of which one is in the region, pair by pair."""
    steps = []
    for y in range(SIDE):
        for x in range(SIDE):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < SIDE and u < SIDE and region[y, x] != region[v, u]:
                    steps.append(abs(levels[y, x] - levels[v, u]))
    return np.mean(steps)


def test_angles_between_poses_are_scipys():
    turns = Rotation.random(8, rng=np.random.default_rng(0))
    for first, second in zip(turns[:4], turns[4:], strict=True):
        expected = np.degrees((first.inv() * second).magnitude())
        assert angle_between(first.as_matrix(), second.as_matrix()) == pytest.approx(expected, abs=1e-6)


def test_changes_of_expression_age_and_gaze_are_scikit_learns_and_scipys():
    marks, years = RNG.uniform(0, 200, (2, 12, 68, 2)), RNG.uniform(20, 60, (2, 12))
    irises = RNG.normal(0, 0.2, (2, 12, 2, 2))
    metric = AttributePreservation()
    for number in range(12):
        looked = {"ages": tuple(years[:, number]), "irises": tuple(irises[:, number])}
        metric.update(marks[0, number], marks[1, number], size=(200, 200), **looked)
    found = metric.compute()
    assert found["age_years"] == pytest.approx(mean_absolute_error(*years), abs=1e-6)
    for way, axis in (("along", 0), ("across", 1)):
        sides = irises[..., axis].reshape(2, -1)
        assert found["gaze"][way]["mean_difference"] == pytest.approx(mean_absolute_error(*sides), abs=1e-6)
        assert found["gaze"][way]["correlation"] == pytest.approx(pearsonr(*sides).statistic, abs=1e-6)
    measured = np.array([[expression(points) for points in side] for side in marks])
    for column, one in enumerate(found["expression"].values()):
        sides = measured[..., column]
        assert one["mean_difference"] == pytest.approx(mean_absolute_error(*sides), abs=1e-6)
        assert one["correlation"] == pytest.approx(pearsonr(*sides).statistic, abs=1e-6)


def test_overlap_of_segmentations_is_torchmetrics():
    seen, meant = torch.from_numpy(RNG.integers(0, NUM_CLASSES, (2, 500)))
    confusion = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.long)
    confusion.index_put_((meant, seen), torch.ones(500, dtype=torch.long), accumulate=True)
    found = agreement(confusion)
    each = multiclass_jaccard_index(seen, meant, num_classes=NUM_CLASSES, average="none").double()
    assert list(found["iou"].values()) == pytest.approx(each.tolist(), abs=1e-6)
    assert found["mean_iou"] == pytest.approx(float(each.mean()), abs=1e-6)
    accuracy = multiclass_accuracy(seen, meant, num_classes=NUM_CLASSES, average="micro")
    assert found["pixel_accuracy"] == pytest.approx(float(accuracy), abs=1e-6)


def test_what_a_learner_and_the_parrot_predict_is_scikit_learns():
    rows, targets, others = RNG.normal(size=(30, 50)), RNG.normal(size=(30, 6)), RNG.normal(size=(9, 50))
    ours = Ridge(rows, targets)
    np.testing.assert_allclose(ours(others), RidgeRegression(alpha=ours.strength).fit(rows, targets).predict(others), atol=1e-6)


def test_distances_between_seeds_are_scipys():
    metric, faces = Diversity("cosine", threshold=0.5), RNG.normal(size=(4, 3, 16))
    for one in faces:
        metric.update(one)
    expected = np.concatenate([pdist(one, "cosine") for one in faces])
    found = metric.compute()
    assert found["mean_distance"] == pytest.approx(expected.mean(), abs=1e-6)
    assert found["below_threshold"]["share"] == pytest.approx(np.mean(expected < 0.5), abs=1e-6)


def test_the_interval_of_the_bits_is_scipys_where_each_person_has_one_photograph():
    ranks = RNG.integers(0, 40, 25).astype(float)
    bits = np.log2(40 / (1 + ranks))
    found = outcome(ranks, np.arange(25), others=39)["bits"]
    expected = t.interval(0.95, 24, loc=bits.mean(), scale=sem(bits))
    assert (found["low"], found["high"]) == pytest.approx(expected, abs=1e-6)
