"""The bank, what rows are chosen for it, and identities mixed from it."""

import numpy as np
import pytest
import torch
from tests.reference.drawn_bank import EMBEDDING, ROWS, SEXES, SIZE, drawn_face

from vera import bundle
from vera.exemplars.bank import ROLES
from vera.exemplars.building import Candidate, even_choice, face_only
from vera.exemplars.identity import LARGEST, LARGEST_IN_SHAPES, MIXED, POOL, Appearance, draw, frontal, pool
from vera.exemplars.screening import NEAREST_STRANGERS, Donors, learn_heads, limits
from vera.mosaic.people import SourcePerson
from vera.mosaic.points import REGIONS, extend
from vera.types import Semantic, VeraError


def test_a_bank_comes_back_from_its_bundle(bank, tmp_path):
    bundle.save(tmp_path / "b", bank, provenance={}, licence="CC0-1.0", card="A drawn bank.", dtype=torch.float32)
    again = bundle.load(tmp_path / "b")
    assert again.config == bank.config
    for name, tensor in bank.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_rows_decode(bank):
    for row in range(ROWS):
        for role in range(ROLES):
            image = bank.image(row, role)
            assert image.shape == (SIZE, SIZE, 3)
            assert 0 <= image.min() < image.max() <= 255
            assert bank.image(row, role, reduced=2).shape == (SIZE // 2, SIZE // 2, 3)
            assert set(np.unique(bank.labels(row, role))) <= {int(known) for known in Semantic}
    own, _, _ = drawn_face(3)
    middle = slice(SIZE * 3 // 8, SIZE * 5 // 8)
    assert np.abs(bank.image(3, 0) - own)[middle, middle].mean() < 4  # the face is the drawn one, but for the JPEG


def test_a_damaged_row_is_refused(bank):
    broken = rebuilt(bank, pictures=torch.zeros_like(bank.pictures))
    with pytest.raises(VeraError, match="cannot be decoded"):
        broken.image(0, 0)


def rebuilt(bank, **changes):
    other = type(bank)(**bank.config)
    other.load_state_dict({**bank.state_dict(), **changes})
    return other


def test_rows_know_their_donors(bank):
    free = bank.made_of_none(["d05"])
    assert not free[[3, 4, 5]].any()
    assert free.sum() == ROWS - 3
    assert bank.made_of_none([]).all()


def test_only_the_face_of_a_row_is_kept():
    image, labels, marks = drawn_face(1)
    made = face_only(image, labels, extend(marks))
    around = np.isin(labels, (Semantic.HAIR, Semantic.BACKGROUND, Semantic.CLOTHES))
    skin = np.median(image[labels == Semantic.SKIN], axis=0)
    assert np.abs(made[around] - skin).max() < 60  # skin goes on, also where the hair is dark
    other = image.copy()
    other[around] = 255 - other[around]
    np.testing.assert_array_equal(face_only(other, labels, extend(marks)), made)


def wanted(bank, row=0):
    return Appearance(int(bank.facts["sex"][row]), bank.facts["tone"][row], float(bank.facts["age"][row]), 5.0)


def test_the_pool_prefers_rows_that_are_alike(bank):
    rows = pool(bank, wanted(bank))
    assert rows[0] == 0
    assert MIXED <= len(rows) <= POOL
    assert len(set(rows.tolist())) == len(rows)
    assert (bank.facts["sex"][rows] == bank.facts["sex"][0]).all()
    assert all(pool(bank, wanted(bank, row))[0] == row for row in range(ROWS))


def test_the_pool_prefers_a_like_complexion(bank):
    tones = torch.tensor([[72.0, 10, 16]]).repeat(ROWS, 1)
    tones[14:] = torch.tensor([40.0, 12, 18])
    assert pool(rebuilt(bank, tone=tones), wanted(rebuilt(bank, tone=tones))).tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_the_pool_leaves_donors_out(bank):
    rows = pool(bank, wanted(bank), leave_out=["d01", "d10"])
    assert bank.made_of_none(["d01", "d10"])[rows].all()
    assert 0 not in rows


def test_too_few_rows_are_refused(bank):
    with pytest.raises(VeraError, match=f"{MIXED} are needed"):
        pool(bank, wanted(bank), leave_out=bank.donors[:18])


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))


def test_an_identity_is_a_function_of_seed_person_and_number():
    rows = np.arange(10)
    first = draw(rows, seed=1, person="p", number=0)
    assert same(first, draw(rows, seed=1, person="p", number=0))
    for other in ({"seed": 2}, {"person": "q"}, {"number": 1}):
        assert not same(first, draw(rows, **{"seed": 1, "person": "p", "number": 0, **other}))


@pytest.mark.parametrize("number", range(20))
def test_no_row_weighs_too_much(number):
    drawn = draw(np.arange(10), seed=0, person="p", number=number)
    assert (drawn.weights.shape, drawn.shapes.shape) == ((MIXED,), (len(REGIONS), MIXED))
    for shares, largest in ((drawn.weights[None], LARGEST), (drawn.shapes, LARGEST_IN_SHAPES)):
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert 0 <= shares.min() <= shares.max() <= largest + 1e-9
    assert len(set(drawn.rows.tolist())) == MIXED
    assert set(drawn.parts.tolist()) == set(range(MIXED))  # the detail of no row alone


def test_an_identity_has_a_layout_of_its_own(bank):
    made = [frontal(bank, draw(pool(bank, wanted(bank)), seed=0, person="p", number=n)) for n in range(2)]
    assert np.abs(made[0].neutral - made[1].neutral).max() > 0.003
    assert all(np.isfinite(face.at(0.5)).all() and np.abs(face.neutral - bank.mean_of(0).neutral).max() < 0.15 for face in made)


def candidate(number, sex, ita, folder=None):
    angle = np.radians(ita)
    tone = np.array([50 + 20 * np.sin(angle), 10, 20 * np.cos(angle)])
    return Candidate(number, ({"name": f"{number}_n"}, {"name": f"{number}_s"}), tone, 0.0, sex, 30.0, ("a", "b", "c"), 0.0, folder)


def test_rows_are_chosen_evenly_over_sex_and_skin():
    light = [candidate(n, SEXES[n % 2], 50 + n % 5) for n in range(40)]
    dark = [candidate(40 + n, SEXES[n % 2], -20 + n % 5) for n in range(8)]
    assert candidate(3, "", 41).ita == pytest.approx(41)
    chosen = even_choice([*light, *dark], 16, 2)
    assert sum(one.number >= 40 for one in chosen) == 8
    assert sum(one.sex == SEXES[0] for one in chosen) == 8
    assert [one.number for one in chosen] == sorted(one.number for one in chosen)
    assert {0, 1} <= {one.number for one in chosen}  # those given first come first
    assert len(even_choice([*light, *dark], 100, 2)) == 48


class Euclid:
    name = "euclid"

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))


def test_the_limit_is_how_near_strangers_are():
    places = np.array([0.0, 0.1, 5.0, 5.2, 9.0])
    donors = Donors(["a", "a", "b", "b", "c"], {"euclid": places[:, None]})
    nearest = donors.nearest_strangers(Euclid())
    np.testing.assert_allclose(nearest, [5.0, 4.9, 4.0, 3.8, 3.8])
    assert limits(donors, [Euclid()]) == {"euclid": pytest.approx(np.quantile(nearest, NEAREST_STRANGERS))}


def test_heads_learn_what_can_be_told():
    rng = np.random.default_rng(0)
    people = [SourcePerson(f"p{n}", {}, SEXES[n % 2], 20 + n) for n in range(40)]
    seen = rng.normal(0, 0.05, (80, 8))
    owners = [people[n // 2].id for n in range(80)]
    for n in range(80):
        seen[n, 0] += 2.0 if people[n // 2].sex == SEXES[0] else -2.0
        seen[n, 1] += people[n // 2].age / 10
    heads = learn_heads(Donors(owners, {"r": seen}), people, "r")
    assert heads.sex.shape == (2, 9)
    assert heads.sex_right == 1.0
    assert heads.age_error < 1.5
    assert heads.age @ np.append(seen[0], 1) == pytest.approx(20, abs=2)


def test_the_heads_of_a_bank_fit_its_recogniser(bank):
    assert bank.facts["sex_head"].shape == (len(SEXES), EMBEDDING + 1)
    assert bank.facts["age_head"].shape == (EMBEDDING + 1,)


@pytest.mark.parametrize(("tone", "hair", "brown"), [
    ((70.0, 12, 15), 25.0, False), ((70.0, 12, 15), np.inf, False), ((70.0, 12, 15), 14.0, True), ((45.0, 14, 20), 40.0, True),
])  # fmt: skip
def test_eyes_are_brown_with_dark_skin_or_black_hair(tone, hair, brown):
    appearance = Appearance(0, np.array(tone), 30.0, 5.0, hair)
    assert appearance.brown_eyes == brown
    assert draw(np.arange(10), seed=0, person="p", number=0, brown_eyes=appearance.brown_eyes).brown_eyes == brown
