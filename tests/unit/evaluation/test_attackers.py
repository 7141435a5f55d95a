"""Attackers: ranks against other libraries, and drawn people whom an attacker must find, or must not."""

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import hypergeom, rankdata

from vera.evaluation.judges import Judge, Observation
from vera.evaluation.measures.attackers import ATTACKS, attacks, shape
from vera.evaluation.measures.base import Original, Written
from vera.evaluation.metrics.attackers import NaiveAttacker, nearer, outcome
from vera.faces.obscuring import blurred, pixelated
from vera.faces.photograph import photograph_from_pixels
from vera.types import NUM_CLASSES, Semantic, VeraError

SIDE, PEOPLE = 64, 40
CENTRE = np.zeros((SIDE, SIDE), bool)
CENTRE[16:48, 16:48] = True


class Recogniser:
    """Grey values of a coarse grid."""

    name, threshold = "grid", 40.0

    def embed(self, pixels, landmarks):
        return cv2.resize(pixels.mean(axis=2), (4, 4), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)


class Detector:
    name = "drawn"


class Parser:
    """Hair above, ears in the middle, background below."""

    def parse(self, face):
        rows = torch.linspace(0, 1, face.size)[:, None].expand(face.size, face.size)
        classes = torch.zeros(NUM_CLASSES, face.size, face.size)
        classes[Semantic.HAIR], classes[Semantic.EARS] = (rows < 0.4).float(), ((rows >= 0.4) & (rows < 0.6)).float()
        classes[Semantic.BACKGROUND] = (rows >= 0.6).float()
        return classes


def landmarks(rng):
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.column_stack([32 + 16 * np.cos(angle), 32 + 18 * np.sin(angle)])
    points[36:42], points[42:48] = (24, 26), (40, 26)
    return points + rng.normal(0, 1.5, points.shape)


def looked(pixels, points, found=True):
    return Observation({"drawn": found}, points, {"grid": Recogniser().embed(pixels, points)})


def results(anonymize, names, *, found=True, seeded=False, other=None):
    """What attackers find in two photographs of each of forty people, of whom each has a picture and a shape."""
    judge = Judge(Detector(), Recogniser(), "euclidean")
    measures = attacks(names, [judge], Parser)
    for number in range(PEOPLE):
        rng = np.random.default_rng(number)
        face = cv2.resize(rng.uniform(0, 255, (4, 4, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        marks = landmarks(rng)
        for visit in range(2):
            pixels = (face + rng.normal(0, 4, face.shape)).clip(0, 255).astype(np.uint8)
            points = marks + rng.normal(0, 0.1, marks.shape)
            photograph = photograph_from_pixels(pixels, f"{number}-{visit}")
            original = Original(f"p{number}", None, photograph, looked(pixels, points))
            made = anonymize(pixels, number)
            kept = CENTRE & (made == pixels).all(axis=2)
            again = () if other is None else (looked(other(pixels, number), points),)
            written = Written(original, photograph_from_pixels(made, "x"), kept, looked(made, points, found), again, seeded)
            for measure in measures:
                measure.original(original)
                measure.written(written)
    return {measure.name: measure.result() for measure in measures}


EVERYWHERE = np.ones((SIDE, SIDE), bool)
OBSCURED = {
    "blurred": lambda pixels, _: blurred(pixels, EVERYWHERE, sigma=14.0),
    "pixelated": lambda pixels, _: pixelated(pixels, EVERYWHERE, side=32),
}


@pytest.mark.parametrize("name", list(OBSCURED))
def test_the_parrot_beats_the_naive_attacker_on_obscured_photographs(name):
    found = results(OBSCURED[name], ["naive", "parrot"])
    naive, parrot = found["attack/naive/grid"], found["attack/parrot/grid"]
    assert parrot["rank_1"]["low"] > naive["rank_1"]["high"]
    assert parrot["bits"]["low"] > naive["bits"]["high"]
    assert parrot["wins"]


def test_all_attackers_win_on_the_identity_function():
    found = results(lambda pixels, _: pixels.copy(), "all")
    assert {name.split("/")[1] for name in found} == set(ATTACKS)
    for name, one in found.items():
        assert one["wins"], name
        assert one["rank_1"]["share"] > 10 * one["rank_1_by_chance"], name
    naive = found["attack/naive/grid"]
    assert (naive["rank_1"]["share"], naive["lists"]["10"], naive["lists"]["100"]) == (1, {"rank_1": 1, "rank": 1}, None)
    assert naive["bits"]["value"] == pytest.approx(naive["bits_at_most"])


def test_no_attacker_wins_on_a_constant_picture():
    found = results(lambda pixels, _: np.full_like(pixels, 7), "all", found=False)
    assert len(found) == len(ATTACKS)
    for name, one in found.items():
        assert not one.get("wins"), name
        assert "why" in one or one["rank_1"]["share"] < 0.1, name
    assert "there are 0 with a picture" in found["attack/kept/grid"]["why"]  # nothing is left to look at


def mixed(shift):
    """Another face for each person and seed, the same for both visits."""

    def anonymize(pixels, number):
        rng = np.random.default_rng(1000 * shift + number)
        return cv2.resize(rng.uniform(0, 255, (4, 4, 3)), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8)

    return anonymize


def test_a_seed_that_the_attacker_does_not_know_protects_and_one_that_he_knows_does_not():
    safe = results(mixed(1), ["naive", "parrot", "inversion", "linkage"], seeded=True, other=mixed(2))
    assert not any(safe[f"attack/{name}/grid"]["wins"] for name in ("naive", "parrot", "inversion"))
    assert safe["attack/linkage/grid"]["wins"]  # both visits got one face, as they should
    known = results(mixed(1), "inversion", seeded=True, other=mixed(1))
    assert known["attack/inversion/grid"]["rank_1"]["share"] == 1
    untried = results(mixed(1), "inversion", seeded=True)
    assert "there are 0" in untried["attack/inversion/grid"]["why"]


def test_two_patients_with_one_face_collide():
    found = results(lambda pixels, number: mixed(1)(pixels, number // 2), "linkage")["attack/linkage/grid"]
    assert found["collisions"]["share"] == 1
    assert found["rank_1"]["share"] == 1  # at equal distance: not told apart from one other


def test_ranks_are_scipys():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 6, (20, 30)).astype(float)  # with ties
    owners, people = np.arange(30), rng.integers(0, 30, 20)
    expected = [rankdata(row)[person] - 1 for row, person in zip(table, people, strict=True)]
    np.testing.assert_allclose(nearer(table, people, owners, np.zeros(table.shape, bool)), expected)
    hidden = np.zeros(table.shape, bool)
    hidden[0, people[0]] = True
    assert np.isnan(nearer(table, people, owners, hidden)[0])


def test_closed_lists_are_hypergeometric_and_bits_are_zero_to_log2():
    ranks = np.array([0.0, 1.0, 5.0, 60.0, 199.0])
    found = outcome(ranks, np.arange(5), others=199)
    for length in (10, 100):
        expected = hypergeom.pmf(0, 199, ranks.astype(int), length - 1).mean()
        assert found["lists"][str(length)]["rank_1"] == pytest.approx(expected, abs=1e-9)
        assert found["lists"][str(length)]["rank"] == pytest.approx(1 + ranks.mean() * (length - 1) / 199)
    assert found["lists"]["1000"] is None
    assert found["bits"]["value"] == pytest.approx(np.log2(200 / (1 + ranks)).mean())
    everybody = outcome(np.arange(200.0), np.arange(200), others=199)
    assert everybody["bits"]["value"] == pytest.approx(everybody["bits_by_chance"])
    assert not everybody["wins"]
    with pytest.raises(VeraError, match="needs two of each person"):
        outcome(np.zeros(0), np.zeros(0), others=9)


def test_too_few_people_and_unknown_attacks_are_named():
    metric = NaiveAttacker("euclidean")
    metric.update(np.eye(3), list("abc"), list("123"))
    metric.add_gallery(np.eye(3), list("abc"), list("123"))
    with pytest.raises(VeraError, match="10 people or more, there are 3"):
        metric.compute()
    with pytest.raises(VeraError, match="unknown attack 'parot'"):
        attacks("parot", [], Parser)


def test_a_shape_does_not_depend_on_place_size_and_turn():
    points = landmarks(np.random.default_rng(0))
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    np.testing.assert_allclose(shape(points), shape(2.5 * points @ turn.T + [30, -7]), atol=1e-9)
    left, right = shape(points).reshape(68, 2)[36:42].mean(axis=0), shape(points).reshape(68, 2)[42:48].mean(axis=0)
    np.testing.assert_allclose([left, right], [[-0.5, 0], [0.5, 0]], atol=1e-9)
