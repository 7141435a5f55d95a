"""The search for a different face: candidates are rendered small, and recognisers say how far each is from the person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from vera.anonymization.verification import Embedding
from vera.exemplars.identity import Exemplar
from vera.faces.recognition import Recogniser
from vera.types import Pixels, Points, Progress

CANDIDATES = 16
"""DECISION: candidates that are rendered before any is chosen."""
DRAWN = 8
"""DECISION: identities that are drawn for each one that is rendered: those that promise to be farthest from the person."""
CHILDREN = 8
"""DECISION: candidates of each further round."""
PARENTS = 4
"""DECISION: candidates that those of the next round are made from: the farthest from the person so far."""
WANTED = (1.25, 1.25, 1.2, 1.2, 1.15, *(1.12,) * 8)
"""DECISION: distance to the sources, in thresholds of the recogniser, that a candidate must have by every recogniser, in each
round: some people are hard to leave, the more so the more is kept of them."""
FURTHER = (WANTED[-1],) * 4
"""DECISION: further rounds, where the face of an earlier seed must be left, too."""
LEAST = 1.05
"""DECISION: where no candidate is far enough, distances to the sources count up to here, and beyond it those to faces of earlier seeds."""

Picture = tuple[Pixels, Points]
"""A small photograph ``(S, S, 3)`` uint8 RGB with a new face, and the face's landmarks ``(68, 2)`` in its pixels."""


@dataclass
class SearchCandidate:
    """A face that the search looks at.

    Attributes:
        number: number of the candidate, from 0.
        exemplar: the identity.
        pictures: one for each of the person's photographs.
        away: distance to the nearest source by the recognisers that have judged it, in their thresholds.
        apart: distance to the nearest face of an earlier seed, by the same.
        looks: embeddings in the person's photographs by each of them, by its position.

    """

    number: int
    exemplar: Exemplar
    pictures: Sequence[Picture]
    away: float = np.inf
    apart: float = np.inf
    looks: dict[int, list[Embedding]] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The distance to the nearest of all of these."""
        return min(self.away, self.apart)

    @property
    def order(self) -> tuple[float, int]:
        """The farthest candidate first, of equal ones the earlier."""
        return -self.score, self.number

    @property
    def last_order(self) -> tuple[float, float, int]:
        """The order of those that are not far enough: that a person is not recognised comes first."""
        return -min(self.away, LEAST), *self.order


class Search:
    """Candidates, best first; all that is drawn and judged is drawn and judged when it is asked for.

    The first recogniser judges all candidates. Those that it puts far from the sources are shown to the other recognisers. Of those that
    are far enough by all, the one that lies farthest from the bank's donors comes first: they consented to be in a bank, not to be
    taken for a patient. Where no donors are known, it is the most distinctive one: the one that lies farthest from the mean candidate.
    When no candidate is far enough by all recognisers, further rounds follow, as in a genetic algorithm: each candidate of theirs takes
    some traits of one of the best so far, and the others are drawn anew.

    Seeds come in groups (:func:`vera.rng.seeds_up_to`). :meth:`pass_over` takes the face of an earlier seed of the group: later candidates
    must be far from it, too, until :meth:`allow_likeness`.

    Args:
        draw: the identity of a candidate from the seed, the candidate's number, its round, and the identity that it descends from (None in
            the first round).
        render: makes the pictures of an identity.
        recognisers: one recogniser or more, the one that is hardest to deceive first.
        sources: embeddings of the sources: for each recogniser, for each photograph, those of its views.
        foresee: promised distance of an identity from the person, before it is rendered; None where nothing is known.
        donors: embeddings of the bank's donors by each recogniser, ``(M, D)``, M may be 0.
        strangers: usual distance of a donor to the next one, by each recogniser.
        threads: candidates that are rendered at the same time; the faces that are found do not depend on it.
        progress: told of every candidate.

    """

    def __init__(
        self,
        draw: Callable[[int, int, int, Exemplar | None], Exemplar],
        render: Callable[[Exemplar], Sequence[Picture]],
        recognisers: Sequence[Recogniser],
        sources: Sequence[Sequence[Sequence[Embedding]]],
        *,
        foresee: Callable[[Exemplar], float] | None = None,
        donors: Sequence[Sequence[Embedding]] = (),
        strangers: Sequence[float] = (),
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.draw, self.render, self.foresee, self.threads, self.progress = draw, render, foresee, threads, progress
        self.recognisers, self.sources = list(recognisers), list(sources)
        self.donors = list(zip(donors, strangers, strict=True)) or [((), 1.0)] * len(self.recognisers)
        self.earlier: list[SearchCandidate] = []
        self.rendered = 0

    def pass_over(self, seed: int) -> None:
        """Find the face of an earlier seed, which the faces of later ones must not resemble."""
        self.earlier.append(next(self.candidates(seed)))

    def allow_likeness(self) -> None:
        """Forget the faces of earlier seeds, so that later ones may resemble them."""
        self.earlier.clear()

    def candidates(self, seed: int) -> Iterator[SearchCandidate]:
        """Candidates for a seed that are far enough, and at the end the others by their scores."""
        left, parents, first = list[SearchCandidate](), list[Exemplar | None]([None]), self.rendered
        for number, wanted in enumerate(WANTED + (FURTHER if self.earlier else ())):
            asked = first + CANDIDATES + number * CHILDREN
            left += self._round(seed, number, parents, asked)
            far = [candidate for candidate in left if self._far_enough(candidate, wanted)]
            for candidate in self._most_distinctive_first(far, left):
                left.remove(candidate)
                yield candidate
            parents = [candidate.exemplar for candidate in self._farthest(left)] or parents  # all may be taken
        for candidate in left:
            self._far_enough(candidate, -np.inf)
        yield from sorted(left, key=lambda candidate: candidate.last_order)

    def _round(self, seed: int, number: int, parents: Sequence[Exemplar | None], asked: int) -> Iterator[SearchCandidate]:
        """The candidates of a round, rendered and judged by the first recogniser."""
        count, each = asked - self.rendered, DRAWN if self.foresee else 1
        drawn = [self.draw(seed, each * self.rendered + i, number, parents[i % len(parents)]) for i in range(each * count)]
        if self.foresee:
            drawn = sorted(drawn, key=self.foresee, reverse=True)[:count]
        for exemplar, pictures in zip(drawn, self._pictures(drawn), strict=True):
            made = SearchCandidate(self.rendered, exemplar, pictures)
            self._judge(made, 0)
            self.rendered += 1
            if self.progress:
                self.progress("searching for a different face", self.rendered, asked)
            yield made

    def _pictures(self, drawn: Sequence[Exemplar]) -> Iterator[Sequence[Picture]]:
        """The pictures of identities, in their order; the next ones are rendered while one is judged."""
        if self.threads == 1:
            yield from map(self.render, drawn)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(self.render, drawn)

    def _farthest(self, candidates: Sequence[SearchCandidate]) -> list[SearchCandidate]:
        """The :data:`PARENTS` farthest from the sources by all recognisers; each is shown to the others only if it may be among them."""
        best: list[SearchCandidate] = []
        for candidate in sorted(candidates, key=lambda one: one.order):
            if len(best) < PARENTS or self._far_enough(candidate, best[-1].score):
                self._far_enough(candidate, -np.inf)
                best = sorted([*best, candidate], key=lambda one: one.order)[:PARENTS]
        return best

    def _far_enough(self, candidate: SearchCandidate, wanted: float) -> bool:
        """Whether every recogniser puts a candidate this far; it is shown to no further one after the first that does not."""
        for number in range(len(self.recognisers)):
            if candidate.score >= wanted and number not in candidate.looks:
                self._judge(candidate, number)
        return candidate.score >= wanted

    def _judge(self, candidate: SearchCandidate, number: int) -> None:
        """Lower a candidate's distances to what this recogniser says of it."""
        recogniser = self.recognisers[number]
        seen = [recogniser.embed(*picture) for picture in candidate.pictures]
        sources = [view for photograph in self.sources[number] for view in photograph]
        faces = [pair for face in self.earlier for pair in zip(seen, face.looks[number], strict=True)]
        candidate.away = min([candidate.away, *(self._distance(number, one, other) for one in seen for other in sources)])
        candidate.apart = min([candidate.apart, *(self._distance(number, one, other) for one, other in faces)])
        candidate.looks[number] = seen

    def _distance(self, number: int, a: Embedding, b: Embedding) -> float:
        """Distance of two embeddings in thresholds of their recogniser."""
        recogniser = self.recognisers[number]
        return float(recogniser.distance(a, b) / recogniser.refusal_threshold)

    def _most_distinctive_first(self, chosen: Sequence[SearchCandidate], candidates: Sequence[SearchCandidate]) -> list[SearchCandidate]:
        """The order of chosen candidates: by distance to the nearest donor; without donors to the mean one, by the first recogniser."""
        if len(chosen) < 2:
            return list(chosen)
        if any(len(donors) for donors, _ in self.donors):
            return sorted(chosen, key=lambda one: -self._beyond(one))
        mean = np.mean([candidate.looks[0][0] for candidate in candidates], axis=0)
        return sorted(chosen, key=lambda one: -self.recognisers[0].distance(one.looks[0][0], mean))

    def _beyond(self, candidate: SearchCandidate) -> float:
        """Distance to the nearest donor by all recognisers, in the distances that donors usually have to the next one."""
        return min(
            float(self.recognisers[number].distance(one, donor)) / usual
            for number, (donors, usual) in enumerate(self.donors)
            for one in candidate.looks[number]
            for donor in donors
        )
