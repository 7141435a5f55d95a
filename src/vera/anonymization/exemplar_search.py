"""The search for a different face: candidates are rendered small, and recognisers say how far each is from the person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vera.anonymization.verification import Embedding
from vera.faces.recognition import Recogniser
from vera.types import Pixels, Points, Progress

CANDIDATES = 16
"""DECISION: candidates of one search."""
WANTED = (1.25, 1.2, 1.12, 1.12, 1.12)
"""DECISION: distance to the sources, in thresholds of the recogniser, that a candidate must have by every recogniser, in each
search: some people are hard to leave."""

Picture = tuple[Pixels, Points]
"""A small photograph ``(S, S, 3)`` uint8 RGB with a new face, and the face's landmarks ``(68, 2)`` in its pixels."""


@dataclass
class SearchCandidate:
    """A face that the search looks at.

    Attributes:
        number: number of the draw, from 0.
        pictures: one for each of the person's photographs.
        score: least distance to a source by the recognisers that have judged it, in their thresholds.
        judges: positions of these recognisers.

    """

    number: int
    pictures: Sequence[Picture]
    score: float = np.inf
    judges: set[int] = field(default_factory=set)


class Search:
    """Candidates, best first; all that is drawn and judged is drawn and judged when it is asked for.

    The first recogniser judges all candidates of a search. Those that it puts far from the sources are shown to the other
    recognisers, the most distinctive one first: the one that lies farthest from the mean candidate. So two seeds do not end at much the
    same face. When no candidate is far enough by all recognisers, a further search follows, with a lower demand.

    Args:
        render: makes the pictures of a candidate from its number.
        recognisers: one recogniser or more, the one that is hardest to deceive first.
        sources: embeddings of the sources: for each recogniser, for each photograph, those of its views.
        progress: told of every candidate.

    """

    def __init__(
        self,
        render: Callable[[int], Sequence[Picture]],
        recognisers: Sequence[Recogniser],
        sources: Sequence[Sequence[Sequence[Embedding]]],
        *,
        progress: Progress | None = None,
    ) -> None:
        self.render, self.recognisers, self.sources, self.progress = render, list(recognisers), list(sources), progress
        self.rendered = 0

    def __iter__(self) -> Iterator[SearchCandidate]:
        """Candidates that are far enough, and at the end the others by their scores."""
        left: list[SearchCandidate] = []
        looks: list[Embedding] = []
        for wanted in WANTED:
            for _ in range(CANDIDATES):
                left.append(SearchCandidate(self.rendered, self.render(self.rendered)))
                looks.append(self._judge(left[-1], 0))
                self.rendered += 1
                if self.progress:
                    self.progress("searching for a different face", self.rendered, CANDIDATES)
            for candidate in self._most_distinctive_first(left, looks):
                if self._far_enough(candidate, wanted):
                    left.remove(candidate)
                    yield candidate
        for candidate in left:
            self._far_enough(candidate, -np.inf)
        yield from sorted(left, key=lambda candidate: (-candidate.score, candidate.number))

    def _most_distinctive_first(self, candidates: Sequence[SearchCandidate], looks: Sequence[Embedding]) -> list[SearchCandidate]:
        mean = np.mean(looks, axis=0)
        return sorted(candidates, key=lambda candidate: -self.recognisers[0].distance(looks[candidate.number], mean))

    def _far_enough(self, candidate: SearchCandidate, wanted: float) -> bool:
        """Whether every recogniser puts a candidate this far; it is shown to no further one after the first that does not."""
        for number in range(len(self.recognisers)):
            if candidate.score >= wanted and number not in candidate.judges:
                self._judge(candidate, number)
        return candidate.score >= wanted

    def _judge(self, candidate: SearchCandidate, number: int) -> Embedding:
        """Lower a candidate's score to what this recogniser says of it; its embedding in the first photograph."""
        recogniser = self.recognisers[number]
        seen = [recogniser.embed(*picture) for picture in candidate.pictures]
        nearest = min(recogniser.distance(one, other) for one in seen for photograph in self.sources[number] for other in photograph)
        candidate.score = min(candidate.score, float(nearest / recogniser.refusal_threshold))
        candidate.judges.add(number)
        return seen[0]
