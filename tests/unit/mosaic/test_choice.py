"""Who is mixed with whom, what goes wrong with colours, and how near is too near."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.reference.drawn_portraits import DrawnRecogniser

from vera.faces.detection import DetectedFace
from vera.mosaic.colour import harmonised, recoloured, to_lab, to_rgb
from vera.mosaic.look import SkinLook
from vera.mosaic.partners import LARGEST, PARTS, check_people, draw, weights
from vera.mosaic.privacy import PrivacyJudge
from vera.mosaic.quality import Norms
from vera.types import VeraError


def look(skin=(65, 12, 16), **changes):
    skin = np.array(skin, float)
    usual = {"forehead": (2, 0, 0), "lips": (-15, 12, 0), "chin": (-2, 0, 0), "moustache": (-2, 0, 0), "brows": (-30, -4, -4)}
    colours = {name: skin + offset for name, offset in usual.items()}
    colours |= {"hair": skin - np.array([35, 4, 6]), "teeth": np.array([80.0, 2, 5])}
    return SkinLook(skin=skin, **(colours | {name: skin + offset for name, offset in changes.items()}))


def bank(count=40, seed=0):
    rng = np.random.default_rng(seed)
    tone = np.column_stack([rng.uniform(35, 75, count), rng.normal(12, 2, count), rng.normal(16, 2, count)])
    return SimpleNamespace(
        tone=tone,
        clear=rng.random(count) < 0.8,
        sex=np.array(["f", "m"])[np.arange(count) % 2],
        chin=rng.normal(0.93, 0.02, (2, count)),
        looks=[[look(t)] * 2 for t in tone],
    )


@pytest.mark.parametrize("k", [3, 4, 6, 9])
def test_weights_are_bounded_and_sum_to_one(k):
    rng = np.random.default_rng(k)
    drawn = np.stack([weights(rng, k) for _ in range(400)])
    assert np.allclose(drawn.sum(1), 1)
    assert drawn.max() <= LARGEST + 1e-9
    assert drawn.min() >= 0
    assert drawn.std(0).min() > 0.005, "not the mean every time"


def test_weights_below_the_bound_are_left_as_drawn():
    class Known:
        def dirichlet(self, alpha):
            return np.array([0.3, 0.25, 0.25, 0.2])

    assert weights(Known(), 4).tolist() == [0.3, 0.25, 0.25, 0.2]


def test_partners_are_alike_and_fringes_only_donate():
    people = bank()
    far, near = [], []
    for seed in range(60):
        recipe = draw(np.random.default_rng(seed), people, 4)
        chosen = [*recipe.people, recipe.donor]
        assert len(set(chosen)) == 5
        assert len({people.sex[p] for p in chosen}) == 1
        assert all(people.clear[p] for p in recipe.people)
        assert set(recipe.parts) == set(PARTS)
        assert set(recipe.parts.values()) == {0, 1, 2, 3}, "everybody gives something"
        near += [np.linalg.norm(people.tone[p] - people.tone[recipe.people[0]]) for p in recipe.people[1:]]
        same = [p for p in range(40) if people.sex[p] == people.sex[recipe.people[0]]]
        far += [np.linalg.norm(people.tone[p] - people.tone[recipe.people[0]]) for p in same]
    assert np.mean(near) < 0.7 * np.mean(far)
    assert not all(people.clear[draw(np.random.default_rng(s), people, 4).donor] for s in range(60))


def test_a_draw_is_a_function_of_its_seed():
    people = bank()
    first, again, other = (draw(np.random.default_rng(seed), people, 4) for seed in (1, 1, 2))
    assert (first.people, first.donor, first.parts) == (again.people, again.donor, again.parts)
    assert np.array_equal(first.whole, again.whole)
    assert not np.array_equal(first.whole, other.whole)


def test_brows_are_cast_to_go_with_the_hair():
    people = bank()
    dark = [look(t, brows=(-40, 0, 0)) if n % 3 else look(t, brows=(-5, 0, 0)) for n, t in enumerate(people.tone)]
    people.looks = [[each] * 2 for each in dark]
    chances, taken = [], []
    for seed in range(60):
        recipe = draw(np.random.default_rng(seed), people, 4)
        chances.append(np.mean([p % 3 != 0 for p in recipe.people]))
        taken.append(recipe.people[recipe.parts["brows"]] % 3 != 0)
    assert np.mean(taken) > np.mean(chances) + 0.1


def norms():
    rng = np.random.default_rng(0)
    looks = []
    for _ in range(80):
        tone = (rng.uniform(35, 75), rng.normal(12, 2), rng.normal(16, 2))
        spread = {name: np.array(mean) + rng.normal(0, 2, 3) for name, mean in {"lips": (-15, 12, 0), "forehead": (2, 0, 0)}.items()}
        looks.append(look(tone, **spread))
    return Norms(looks)


def test_usual_faces_have_no_faults():
    assert norms().faults(look()) == {}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"lips": (-15, 14, -20)}, "strange lips"),  # purple
        ({"forehead": (2, 16, 4)}, "strange forehead"),  # red
        ({"teeth": (-35, 0, 0)}, "strange teeth"),  # dark
        ({"chin": (-25, 0, 0)}, "patchy beard"),
        ({"brows": (25, 0, 0)}, "face and hair that do not go together"),
    ],
)
def test_each_fault_is_seen(change, fault):
    faults = norms().faults(look(**change))
    assert set(faults) == {fault}
    assert faults[fault] > 1


def test_what_is_not_there_has_no_fault():
    bald = look()._replace(hair=np.full(3, np.nan), teeth=np.full(3, np.nan))
    assert norms().faults(bald) == {}


def test_few_sources_are_said_to_teach_nothing():
    few = Norms([look() for _ in range(5)])
    assert "strange lips" in few.unchecked
    assert few.faults(look(lips=(0, 60, -60))) == {}


def test_recolouring_brings_the_tone_and_keeps_darkness_neutral():
    lab = np.array([[[60, 12, 16], [50, 25, 16], [5, 0, 0]]], np.float32)
    done = recoloured(lab, np.array([60, 12, 16]), np.array([50, 10, 20]))
    assert np.allclose(done[0, 0], [50, 10, 20])
    assert done[0, 1, 1] - done[0, 0, 1] == pytest.approx(13, abs=1), "lips keep their difference"
    assert np.linalg.norm(done[0, 2, 1:]) < 0.5


def test_colours_go_there_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert np.allclose(to_rgb(to_lab(pixels)), pixels, atol=0.6), "as near as OpenCV's tables are"


def test_harmony_follows_the_surround_broadly_and_only_where_both_are_skin():
    mix = np.full((64, 64, 3), (60, 12, 16), np.float32)
    surround = mix + np.float32([0, 10, 0])
    skin = np.zeros((64, 64), bool)
    skin[:, :40] = True
    done = harmonised(mix, surround, skin)
    assert done[32, 10, 1] == pytest.approx(12 + 0.85 * 10, abs=0.1)
    assert done[32, 63, 1] == pytest.approx(12, abs=0.5)


def test_distances_to_everybody_and_to_the_sources():
    photos = {"a": 0.0, "b": 100.0, "c": 200.0}
    recogniser = DrawnRecogniser()
    embeddings = [recogniser.embed(np.full((16, 16, 3), value, np.uint8), None) for value in photos.values()]

    class Detector:
        faces = 1

        def detect(self, photograph):
            return [DetectedFace((0, 0, 1, 1), np.zeros((68, 2)), 1.0)] * self.faces

    judge = PrivacyJudge(Detector(), recogniser, embeddings, list(photos))
    near = judge.distances(np.full((16, 16, 3), 110, np.uint8), "m", {"a", "c"})
    assert near.nearest == "b"
    assert near.person == pytest.approx(10 / 255 * np.sqrt(3), rel=1e-6)
    assert near.source == pytest.approx(90 / 255 * np.sqrt(3), rel=1e-6)
    judge.detector.faces = 0
    assert judge.distances(np.full((16, 16, 3), 110, np.uint8), "m", {"a"}) is None


def test_enough_people_of_one_sex_with_a_bare_forehead():
    check_people(["f"] * 5, [True] * 4 + [False], 4)
    with pytest.raises(VeraError, match="one more for the hair"):
        check_people(["f"] * 4 + ["m"] * 4, [True] * 8, 4)
    with pytest.raises(VeraError, match="without a fringe"):
        check_people(["f"] * 5, [True] * 3 + [False] * 2, 4)
    with pytest.raises(VeraError, match="at least 3"):
        check_people(["f"] * 5, [True] * 5, 2)
