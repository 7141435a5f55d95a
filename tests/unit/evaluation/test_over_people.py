"""Verification figures and their intervals over people: against other libraries, and against simulations of known truth."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve, top_k_accuracy_score
from torchmetrics.functional.classification import binary_eer

from vera.evaluation.metrics import verification as over_people
from vera.evaluation.metrics.base import share_of_people
from vera.evaluation.metrics.recognition import ReIdentification
from vera.evaluation.metrics.verification import Pairs, verification
from vera.types import VeraError

TRUTH = {"auc": 0.92195, "eer": 0.16155, "0.01": 0.47825}
"""Of :func:`drawn` with noise 0.8: of four million pairs of one person and as many of two, no two of which share a person."""


def drawn(rng, people, each=2, noise=0.8):
    """All pairs of photographs of people who are not equally easy to tell apart."""
    centres = rng.normal(size=(people, 16)) * rng.uniform(0.8, 1.2, (people, 1))
    spread = noise * rng.uniform(0.6, 1.4, (people, 1, 1))
    faces = (centres[:, None] + spread * rng.normal(size=(people, each, 16))).reshape(-1, 16)
    who = np.repeat(np.arange(people), each)
    first, second = np.triu_indices(len(faces), 1)
    return Pairs(np.linalg.norm(faces[first] - faces[second], axis=1), who[first], who[second])


@pytest.mark.parametrize("decimals", [12, 1])
def test_the_figures_are_those_of_scikit_learn_and_torchmetrics(decimals):
    pairs = drawn(np.random.default_rng(0), 40)
    pairs = pairs._replace(values=pairs.values.round(decimals))  # with one decimal there are many ties
    answers = pairs.first == pairs.second
    found = verification(pairs, replicates=0)
    accepts, hits, _ = roc_curve(answers, -pairs.values, drop_intermediate=False)
    assert found["auc"]["value"] == pytest.approx(roc_auc_score(answers, -pairs.values), abs=1e-6)
    for rate in (1e-2, 1e-3):
        assert found["tar"][f"{rate:g}"]["value"] == pytest.approx(hits[accepts <= rate].max(), abs=1e-6)
    scores = torch.from_numpy(1 - pairs.values / pairs.values.max())
    assert found["eer"]["value"] == pytest.approx(float(binary_eer(scores, torch.from_numpy(answers).long())), abs=1e-6)
    assert (found["pairs_same"], found["pairs_different"], found["people"]) == (40, 80 * 79 // 2 - 40, 40)


def test_ranks_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    gallery, probes = rng.normal(size=(30, 4)), rng.normal(size=(60, 4))
    people = [f"p{n:02}" for n in range(30)]
    probes += gallery.repeat(2, axis=0)
    metric = ReIdentification("euclidean", thresholds={"own": 1.0})
    metric.add_gallery(gallery, people, people)
    metric.update(probes, np.repeat(people, 2).tolist(), [str(n) for n in range(60)])
    found, scores = metric.compute(), -np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    for k in (1, 5):
        expected = top_k_accuracy_score(np.arange(30).repeat(2), scores, k=k, labels=np.arange(30))
        assert found[f"rank_{k}"]["share"] == pytest.approx(expected, abs=1e-6)
    answers = np.repeat(np.arange(30), 2)[:, None] == np.arange(30)[None]
    assert found["over_people"]["auc"]["value"] == pytest.approx(roc_auc_score(answers.ravel(), scores.ravel()), abs=1e-6)


def test_an_output_is_not_verified_against_its_own_source_where_that_is_left_out():
    faces, people, names = np.eye(4).repeat(2, axis=0), list("aabbccdd"), list("12345678")
    metric = ReIdentification("euclidean", thresholds={"own": 1.0}, source_in_gallery=False)
    metric.add_gallery(faces, people, names)
    metric.update(faces, people, names)
    assert metric.compute()["over_people"]["pairs_same"] == 8  # each with the other photograph


def test_one_photograph_a_person_has_wilsons_interval():
    rng = np.random.default_rng(2)
    hits = rng.uniform(size=400) < 0.3
    found, wilson = share_of_people(hits, np.arange(400)), binomtest(int(hits.sum()), 400).proportion_ci(0.95, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((wilson.low, wilson.high), abs=2e-3)  # Student's quantile of 399 people


def test_photographs_of_one_person_do_not_count_twice():
    hits = np.random.default_rng(3).uniform(size=50) < 0.4
    once, twice = share_of_people(hits, np.arange(50)), share_of_people(hits.repeat(2), np.arange(50).repeat(2))
    assert (once["low"], once["high"]) == pytest.approx((twice["low"], twice["high"]))
    none = share_of_people(np.zeros(160, bool), np.arange(80).repeat(2))
    wilson = binomtest(0, 80).proportion_ci(0.95, method="wilson")
    assert (none["low"], none["high"]) == pytest.approx((0, wilson.high), abs=1e-9)
    assert share_of_people([], [])["share"] is None
    with pytest.raises(VeraError, match="2 outcomes of 1 people"):
        share_of_people([True, False], [1])


def test_without_an_error_the_interval_is_not_a_point():
    same, different = np.full(20, 0.1), np.full(190, 0.9)
    first, second = np.triu_indices(20, 1)
    found = verification(Pairs(np.r_[same, different], np.r_[np.arange(20), first], np.r_[np.arange(20), second]))
    wilson = binomtest(20, 20).proportion_ci(0.95, method="wilson")
    assert (found["auc"]["value"], found["auc"]["low"], found["auc"]["high"]) == pytest.approx((1, wilson.low, 1))
    assert found["eer"]["high"] == pytest.approx(1 - wilson.low)
    assert found["tar"]["0.001"] is None  # 190 pairs cannot show it


def test_few_people_have_no_interval_and_one_side_no_figure():
    few = verification(drawn(np.random.default_rng(4), 9))
    assert few["auc"]["value"] > 0.5
    assert few["auc"]["low"] is None
    pairs = drawn(np.random.default_rng(4), 9, each=1)
    assert verification(pairs)["auc"] is None


def test_order_does_not_matter_and_many_pairs_are_thinned(monkeypatch):
    pairs = drawn(np.random.default_rng(5), 30)
    mixed = np.random.default_rng(6).permutation(len(pairs.values))
    shuffled = Pairs(*(part[mixed] for part in pairs))
    assert verification(pairs, replicates=20) == verification(shuffled, replicates=20)
    monkeypatch.setattr(over_people, "MOST", 200)
    fewer = verification(pairs, replicates=20)
    assert fewer == verification(shuffled, replicates=20)
    assert (fewer["pairs_same"], 150 < fewer["pairs_different"] <= 200) == (30, True)


def coverage(samples, people, replicates):
    rng, hits = np.random.default_rng(7), dict.fromkeys(TRUTH, 0)
    for _ in range(samples):
        found = verification(drawn(rng, people), rates=(0.01,), replicates=replicates)
        for name, truth in TRUTH.items():
            figure = found["tar"][name] if name in found["tar"] else found[name]
            hits[name] += figure["low"] <= truth <= figure["high"]
    return {name: count / samples for name, count in hits.items()}


def share_coverage(samples):
    rng, hits = np.random.default_rng(8), 0
    for _ in range(samples):
        each = rng.beta(0.6, 1.4, 80)  # some people are much easier to recognise than others
        found = share_of_people(rng.uniform(size=(80, 3)) < each[:, None], np.arange(80).repeat(3))
        hits += found["low"] <= 0.3 <= found["high"]
    return hits / samples


def test_a_shares_interval_covers_the_truth_as_often_as_it_says():
    assert 0.93 < share_coverage(1000) < 0.97


def test_the_bootstraps_intervals_cover_the_truth():
    assert min(coverage(40, 30, 60).values()) > 0.8  # that they are not too wide either is for the slow test


@pytest.mark.slow
def test_the_bootstraps_intervals_cover_the_truth_as_often_as_they_say():
    covered = coverage(1000, 60, 100)
    assert all(0.93 <= share <= 0.97 for share in covered.values()), covered
