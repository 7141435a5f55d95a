"""Calibration, separation, paired consistency, detection rate and diversity: figures over pairs and photographs."""

import numpy as np
import pytest
from scipy.stats import norm

from vera.evaluation.metrics.base import share
from vera.evaluation.metrics.recognition import DetectionRate, Diversity
from vera.evaluation.metrics.verification import PairedConsistency, VerificationCalibration, roc, separation, threshold_at
from vera.types import VeraError


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    return rng.normal(0.4, 0.12, 300), rng.normal(0.8, 0.12, 4000)


def test_auc_and_eer_agree_with_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    same, different = (side.round(2) for side in pairs)  # with ties
    answers, scores = np.r_[np.ones(300), np.zeros(4000)], -np.r_[same, different]
    accepts, hits, _ = metrics.roc_curve(answers, scores, drop_intermediate=False)
    nearest = np.argmin(np.abs(accepts - (1 - hits)))
    found = separation(same, different)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(answers, scores), abs=1e-12)
    assert found["eer"] == pytest.approx((accepts[nearest] + 1 - hits[nearest]) / 2, abs=1e-12)
    np.testing.assert_allclose(roc(same, different), [accepts, hits])


def test_eer_of_two_normal_distributions_in_closed_form():
    quantiles = (np.arange(20000) + 0.5) / 20000
    same, different = norm.ppf(quantiles) + 9, norm.ppf(quantiles) + 11
    assert separation(same, different)["eer"] == pytest.approx(norm.cdf(-1), abs=1e-3)
    assert separation(same, different)["auc"] == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=1e-3)
    assert separation(same, same)["auc"] == pytest.approx(0.5)
    assert separation(same[:0], different) == {"auc": None, "eer": None}


def test_thresholds_hold_the_wanted_rate(pairs):
    same, different = pairs
    metric = VerificationCalibration(false_accept_rates=(1e-2, 1e-3, 1e-5))
    metric.update(np.r_[same, np.nan], [True] * 301)
    metric.update(different, np.zeros(4000))
    result = metric.compute()
    assert (result["pairs_same"], result["pairs_different"], result["pairs_without_face"]) == (300, 4000, 1)
    for rate, name in ((1e-2, "0.01"), (1e-3, "0.001")):
        found = result["at"][name]
        accepted = found["false_accept_rate"]
        assert accepted["count"] == rate * 4000
        assert accepted["low"] < rate < accepted["high"]
        assert found["threshold_low"] < found["threshold"] < found["threshold_high"]
        assert found["true_accept_rate"]["count"] == (same < found["threshold"]).sum()
    assert result["at"]["1e-05"]["threshold"] is None  # 4000 pairs cannot show it
    judged = metric.judge(0.6)
    assert judged["false_accept_rate"]["count"] == (different < 0.6).sum()
    assert judged["true_accept_rate"]["share"] == pytest.approx((same < 0.6).mean())


def test_a_thresholds_interval_covers_the_truth_as_often_as_it_says():
    rng, rate = np.random.default_rng(3), 0.02
    hits = 0
    for _ in range(300):
        _, low, high = threshold_at(np.sort(rng.uniform(size=1000)), rate)
        hits += low <= rate <= high
    assert 0.93 < hits / 300 < 0.995


def test_intervals_are_scipys_and_nothing_gives_nothing():
    found = share([True, False, False, True, False])
    assert (found["share"], found["count"], found["of"]) == (0.4, 2, 5)
    assert (found["low"], found["high"]) == pytest.approx((0.1176, 0.7693), abs=1e-4)  # Wilson by hand
    assert share([False] * 10, exact=True)["high"] == pytest.approx(1 - 0.025 ** (1 / 10))  # Clopper and Pearson at zero
    assert share([])["share"] is None


def test_consistency_of_the_identity_function_equals_the_originals():
    rng = np.random.default_rng(1)
    people = [f"p{i // 2}" for i in range(30)]
    originals = rng.normal(size=(15, 8)).repeat(2, axis=0) + 0.7 * rng.normal(size=(30, 8))
    metric = PairedConsistency("euclidean")
    metric.update(originals[:11], originals[:11], people[:11])
    metric.update(originals[11:], originals[11:], people[11:])
    result = metric.compute()
    assert result["anonymized"] == result["originals"]
    assert 0.5 < result["originals"]["auc"] < 1
    assert (result["originals"]["pairs_same"], result["originals"]["pairs_different"]) == (15, 30 * 29 // 2 - 15)


def test_consistency_sees_shared_and_scattered_identities():
    rng = np.random.default_rng(2)
    people = [f"p{i // 2}" for i in range(30)]
    originals = rng.normal(size=(15, 8)).repeat(2, axis=0) + 0.01 * rng.normal(size=(30, 8))

    def judged(anonymized):
        metric = PairedConsistency("cosine")
        metric.update(anonymized, originals, people)
        return metric.compute()

    consistent = judged(rng.normal(size=(15, 8)).repeat(2, axis=0))
    scattered = judged(rng.normal(size=(30, 8)))
    assert (consistent["anonymized"]["auc"], consistent["anonymized"]["eer"]) == pytest.approx((1, 0))
    assert 0.3 < scattered["anonymized"]["auc"] < 0.7
    assert scattered["originals"]["auc"] == 1
    missing = rng.normal(size=(30, 8))
    missing[3] = np.nan
    assert judged(missing)["left_out"] == 1
    assert judged(missing)["anonymized"]["pairs_same"] == judged(missing)["originals"]["pairs_same"] == 14


def test_detection_rate_by_group():
    metric = DetectionRate(groups=("a", "b"))
    metric.update([True, True, False], ["p", "q", "q"], ["a", "b", "b"])
    metric.update([False], ["r"])
    result = metric.compute()
    assert (result["share"], result["of"]) == (0.5, 4)
    assert {name: part["share"] for name, part in result["groups"].items()} == {"a": 1.0, "b": 0.5}
    with pytest.raises(VeraError, match="2 groups for 1"):
        metric.update([True], ["p"], ["a", "b"])


def test_diversity_over_seeds():
    metric = Diversity("euclidean", threshold=0.6)
    metric.update([[0.0, 0], [1, 0], [0, 1], [np.nan, 0]])
    metric.update([[0.0, 0], [0.3, 0]])
    result = metric.compute()
    assert result["mean_distance"] == pytest.approx((1 + 1 + np.sqrt(2) + 0.3) / 4)
    assert (result["below_threshold"]["count"], result["below_threshold"]["of"], result["photographs"]) == (1, 4, 2)
    with pytest.raises(VeraError, match="at least two seeds"):
        metric.update([[0.0, 0]])
