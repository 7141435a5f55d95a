"""The search for a different face, with candidates and recognisers that are numbers."""

import threading
from itertools import islice

import numpy as np
import pytest

from vera.anonymization.exemplar_search import CANDIDATES, CHILDREN, DRAWN, FURTHER, LEAST, PARENTS, WANTED, Search
from vera.types import VeraError


class Scores:
    """A recogniser with a threshold of 1 that reads a candidate's place from its picture; counts what it is shown."""

    refusal_threshold = 1.0

    def __init__(self, places):
        self.places, self.shown = places, 0

    def embed(self, pixels, landmarks):
        self.shown += 1
        return np.array([self.places(int(pixels))])

    def distance(self, a, b):
        return float(abs(a[0] - b[0]))


ALL = CANDIDATES + CHILDREN * (len(WANTED) - 1)


def search(*recognisers, photographs=1, descends=None):
    """A search for candidates that are their numbers; ``descends`` takes each candidate's round and parent."""

    def drawn(seed, number, stage, parent):
        if descends is not None:
            descends.append((stage, parent))
        return number

    return Search(drawn, lambda number: [(np.int64(number), None)] * photographs, recognisers, [[[np.array([0.0])]] for _ in recognisers])


def test_the_most_distinctive_of_those_far_enough_comes_first():
    places = dict(enumerate(np.linspace(0, 1.5, CANDIDATES)))
    quick, slow = Scores(places.get), Scores(places.get)
    found = list(islice(search(quick, slow).candidates(0), 3))
    assert [candidate.number for candidate in found] == [CANDIDATES - 1, CANDIDATES - 2, CANDIDATES - 3]
    assert (quick.shown, slow.shown) == (CANDIDATES, 3)  # the slow one is not asked about the others


def test_those_that_promise_to_be_far_are_rendered():
    """Identities are their numbers; which ones are promising is not how far they are."""
    rendered = []

    def render(number):
        rendered.append(number)
        return [(np.int64(number), None)]

    one = Search(lambda seed, number, *_: number, render, [Scores(lambda number: 9.0)], [[[np.array([0.0])]]], foresee=lambda n: n % 50)
    next(one.candidates(0))
    assert len(rendered) == CANDIDATES
    left_out = set(range(DRAWN * CANDIDATES)) - set(rendered)
    assert min(number % 50 for number in rendered) >= max(number % 50 for number in left_out)


def test_the_one_farthest_from_every_donor_comes_first():
    """Of those that are far enough from the person; by the recogniser that sees a donor nearest, in the donors' own distances."""
    donors = ([np.array([2.0]), np.array([5.0])], [np.array([1.4])])
    one = Search(
        lambda seed, number, *_: number,
        lambda number: [(np.int64(number), None)],
        [Scores({0: 2.1, 1: 3.4, 2: 5.2, 3: 1.0}.get), Scores(lambda number: 9.0 if number == 1 else 1.5 + number)],
        [[[np.array([0.0])]]] * 2,
        donors=donors,
        strangers=(1.0, 10.0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vera.anonymization.exemplar_search.CANDIDATES", 4)
        found = list(islice(one.candidates(0), 3))
    # candidate 1: min(1.4, 7.6 / 10); candidate 2: min(0.2, 2.1 / 10); candidate 0: min(0.1, 0.1 / 10)
    assert [candidate.number for candidate in found] == [1, 2, 0]


def test_threads_change_nothing_but_the_time():
    """The round's candidates are rendered in another order, and an error in one of them ends the search."""
    places = np.random.default_rng(3).uniform(0.8, 1.3, 200)
    barrier = threading.Barrier(2, timeout=30)

    def rendered(number):
        if number < 2:
            barrier.wait()  # passes only when two are rendered at the same time
        if number == 150:
            raise VeraError("this one cannot be rendered")
        return [(np.int64(number), None)]

    def found(threads, seed=0):
        render = rendered if threads > 1 else lambda number: [(np.int64(number), None)]
        judge = Scores(lambda number: places[number])
        one = Search(lambda seed, number, *_: seed + number, render, [judge], [[[np.array([0.0])]]], threads=threads)
        return [(candidate.number, candidate.score) for candidate in one.candidates(seed)]

    assert found(2) == found(1)
    with pytest.raises(VeraError, match="cannot be rendered"):
        found(2, seed=140)


def test_a_candidate_is_as_far_as_the_nearest_recogniser_says():
    quick, slow = Scores(lambda number: 2.0 + number), Scores(lambda number: 2.0 if number == 3 else 0.5)
    first = next(search(quick, slow).candidates(0))
    assert (first.number, first.score) == (3, 2.0)


def test_a_further_round_descends_from_the_farthest():
    """Also when only the second recogniser says which those are."""
    quick, slow = Scores(lambda number: 1.0 + number / 1000), Scores(lambda number: 1.24 - number / 1000)
    descends = []
    list(search(quick, slow, descends=descends).candidates(0))
    assert descends[:CANDIDATES] == [(0, None)] * CANDIDATES
    best = sorted(range(CANDIDATES), key=lambda number: -min(1.0 + number / 1000, 1.24 - number / 1000))[:PARENTS]
    assert [parent for _, parent in descends[CANDIDATES : CANDIDATES + CHILDREN]] == [*best, *best]
    assert {stage for stage, _ in descends[CANDIDATES : CANDIDATES + CHILDREN]} == {1}


def test_a_later_round_asks_for_less():
    least = (WANTED[-2] + WANTED[-1]) / 2
    one = search(Scores(lambda number: least if number == ALL - 2 else 0.1))
    assert next(one.candidates(0)).number == ALL - 2
    assert one.rendered == ALL


@pytest.mark.parametrize("photographs", [1, 2])
def test_without_a_far_one_all_are_looked_at_and_the_farthest_comes_first(photographs):
    quick, slow = Scores(lambda number: number / 1000), Scores(lambda number: 1.0)
    one = search(quick, slow, photographs=photographs)
    found = list(one.candidates(0))
    assert one.rendered == len(found) == ALL
    assert [candidate.number for candidate in found] == list(range(len(found) - 1, -1, -1))
    assert slow.shown == photographs * len(found)


def test_the_search_goes_on_when_all_candidates_are_taken():
    one = search(Scores(lambda number: 9.0))
    assert [candidate.number for candidate in one.candidates(0)] == list(range(ALL))
    assert one.rendered == ALL


def test_progress_is_told():
    """Of the rounds so far: how many there will be is not known."""
    told = []
    one = search(Scores(lambda number: 9.0 if number >= CANDIDATES else 0.1))
    one.progress = lambda *step: told.append(step)
    next(one.candidates(0))
    assert told[CANDIDATES - 1][1:] == (CANDIDATES, CANDIDATES)
    assert told[-1][1:] == (CANDIDATES + CHILDREN, CANDIDATES + CHILDREN)


def test_a_later_seed_is_far_from_the_face_of_an_earlier_one():
    late = CANDIDATES + 5
    one = search(Scores(lambda number: 1.3 if number < late else 2.6), Scores(lambda number: 2.8 if number == late else 1.4))
    one.pass_over(0)
    (first,) = one.earlier
    second = next(one.candidates(1))
    assert (first.away, second.number, second.away) == (1.3, late, 2.6)
    assert second.apart == pytest.approx(1.3)


def test_no_earlier_face_brings_a_later_one_nearer_to_the_person():
    """Of candidates that are not far enough: the farthest from an earlier face among those that are no risk, else the farthest of all."""
    known = {0: 1.5} | dict(enumerate((1.5, LEAST + 0.01, -LEAST - 0.01, 0.05 - LEAST), CANDIDATES))
    one = search(Scores(lambda number: known.get(number, 0.2)))
    one.pass_over(0)
    found = list(one.candidates(1))
    assert len(found) == CANDIDATES + CHILDREN * (len(WANTED) + len(FURTHER) - 1)
    assert [candidate.number - CANDIDATES for candidate in found[:4]] == [2, 1, 0, 3]
    one.allow_likeness()
    again = list(one.candidates(1))
    assert again[0].number == CANDIDATES + len(found)
    assert again[0].apart == np.inf


@pytest.mark.parametrize("far", [0, 1])
def test_a_later_face_is_unlike_an_earlier_one_in_every_photograph(far):
    """A picture's number is ten times the candidate's, and one more in the second photograph."""
    late = CANDIDATES + 3
    known = {10 * late: 4.0, 10 * late + 1: 4.0, 10 * (late - 1) + far: 4.0}
    one = Search(
        lambda seed, number, stage, parent: number,
        lambda number: [(np.int64(10 * number), None), (np.int64(10 * number + 1), None)],
        [Scores(lambda number: known.get(number, 2.0))],
        [[[np.array([0.0])]]],
    )
    one.pass_over(0)
    assert next(one.candidates(1)).number == late
