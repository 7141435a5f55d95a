"""Attacks on an anonymizer's photographs: what each attacker looks at, and by which recogniser.

`vera evaluate attack=[naive,parrot]`; names are those of :data:`ATTACKS`, ``region`` for all of :data:`REGIONS`, and ``all``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vera.evaluation.judges import Judge, Observation
from vera.evaluation.measures.base import Measure, Original, Written
from vera.evaluation.metrics.attackers import Attacker, LinkingAttacker, NaiveAttacker, ParrotAttacker
from vera.faces.alignment import Floats, align, warp_to_photograph
from vera.faces.landmarks import LEFT_EYE, RIGHT_EYE
from vera.faces.parsing import Parser
from vera.types import Mask, Matrix, Pixels, Points, Semantic, VeraError

PARSED = ("hair", "ears", "background")
REGIONS = ("kept", "surroundings", *PARSED)
"""What is left of the source in an output: the preserved region; all else that is unchanged; the same within one class."""
ATTACKS = ("naive", "parrot", "linkage", "inversion", "geometry", *REGIONS)
LEAST_SHARE = 1e-3
"""DECISION: a part of fewer pixels, as a share of the photograph, shows nothing."""
GREY = 128
ALIGNED = 256
"""DECISION: side at which a face is parsed for the parts of an attack."""


def attacks(names: Sequence[str] | str, judges: Sequence[Judge], parser: Callable[[], Parser]) -> list[Measure]:
    """The measures of the attacks of these names, one for each recogniser where one is used.

    Args:
        names: names of the attacks, in any order; one may be given as a text.
        judges: judges whose recognisers the attackers use.
        parser: function that makes the parser, called only if an attack looks at a class.

    Raises:
        VeraError: an unknown name.

    """
    asked = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in asked if name not in (*ATTACKS, "region", "all")]
    if unknown:
        raise VeraError(f"unknown attack '{unknown[0]}': choose from {', '.join(ATTACKS)}, region and all")
    wanted = {name for one in asked for name in {"region": REGIONS, "all": ATTACKS}.get(one, (one,))}
    shown = _Shown(parser() if wanted & set(PARSED) else None)
    found: list[Measure] = [GeometryAttack()] if "geometry" in wanted else []
    for judge in judges:
        found += [EmbeddingAttack(judge, name) for name in ATTACKS if name in wanted and name not in (*REGIONS, "geometry")]
        found += [RegionAttack(judge, name, shown) for name in REGIONS if name in wanted]
    return found


class EmbeddingAttack(Measure):
    """An attack on what a recogniser sees in the whole output.

    ``naive`` compares with the originals, ``parrot`` first learns from other people. ``linkage`` finds the person's other outputs, and
    counts people whose output is taken for another's. ``inversion`` has the software but not the seed: the gallery is anonymized again
    under other seeds (``diversity.people`` and ``diversity.seeds`` of the run), or as it is by a method without a seed.

    Args:
        judge: judge whose recogniser the attacker uses.
        attack: name of the attack.

    """

    def __init__(self, judge: Judge, attack: str) -> None:
        self.recogniser, self.attack, self.name = judge.recogniser.name, attack, f"attack/{attack}/{judge.recogniser.name}"
        made = {"parrot": ParrotAttacker, "linkage": LinkingAttacker}.get(attack, NaiveAttacker)
        self.metric: Attacker = made(judge.measure, **({"threshold": judge.recogniser.threshold} if attack == "linkage" else {}))

    def original(self, original: Original) -> None:
        """Take a photograph of the set into the gallery of an attacker who holds originals."""
        if self.attack in ("naive", "parrot"):
            _feed(self.metric.add_gallery, self._vector(original.seen), original)

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        source, vector = written.original, self._vector(written.seen)
        tried = {"linkage": [vector], "inversion": [self._vector(one) for one in self._tries(written)]}.get(self.attack, [])
        for one in tried:
            _feed(self.metric.add_gallery, one, source)
        if self.attack != "inversion" or tried:
            _feed(self.metric.update, vector, source)

    def _tries(self, written: Written) -> Sequence[Observation]:
        return written.other_seeds if written.seeded else (written.seen,)

    def _vector(self, seen: Observation) -> Matrix | None:
        return seen.embeddings.get(self.recogniser)


class GeometryAttack(Measure):
    """Learns on other people how landmarks change, and looks for the source whose landmarks would become those of the output.

    Only outputs in which the first detector found a face are attacked: elsewhere the recognisers look at the source's own landmarks.
    """

    name = "attack/geometry/landmarks"

    def __init__(self) -> None:
        self.metric: Attacker = ParrotAttacker("euclidean")

    def original(self, original: Original) -> None:
        """Take a photograph of the set into the gallery."""
        if _is_found(original.seen):
            _feed(self.metric.add_gallery, shape(original.seen.landmarks), original)

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        if _is_found(written.seen):
            _feed(self.metric.update, shape(written.seen.landmarks), written.original)


class RegionAttack(Measure):
    """Looks at one part of the output, everything else grey, and finds the same part in the person's other photographs.

    The photograph itself is not in the gallery: an unchanged part would be found there with certainty.

    Args:
        judge: judge whose recogniser the attacker uses.
        part: name of the part, one of :data:`REGIONS`.
        shown: pictures of an output's parts, shared by all recognisers.

    """

    def __init__(self, judge: Judge, part: str, shown: _Shown) -> None:
        self.recogniser, self.part, self.shown = judge.recogniser, part, shown
        self.name = f"attack/{part}/{judge.recogniser.name}"
        self.metric: Attacker = LinkingAttacker(judge.measure)

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        source = written.original
        if not np.isfinite(source.seen.landmarks).all():
            return
        pixels = self.shown.of(written, self.part)
        if pixels is None:
            return
        vector = np.asarray(self.recogniser.embed(pixels, source.seen.landmarks), dtype=np.float64)
        _feed(self.metric.add_gallery, vector, source)
        _feed(self.metric.update, vector, source)


class _Shown:
    """Pictures of the last output's parts: the recognisers look at the same ones, one after the other.

    Args:
        parser: parser that finds the classes; None if no part needs one.

    """

    def __init__(self, parser: Parser | None) -> None:
        self.parser = parser
        self._last: Written | None = None
        self._parts: dict[str, Pixels | None] = {}
        self._unchanged: Mask | None = None
        self._classes: tuple[Floats, Mask] | None = None

    def of(self, written: Written, part: str) -> Pixels | None:
        """``(H, W, 3)``: an output with everything grey but one part; None where the part shows nothing."""
        if self._last is not written:
            self._last, self._parts, self._unchanged, self._classes = written, {}, None, None
        if part not in self._parts:
            mask = self._mask(written, part)
            shown = mask.mean() >= LEAST_SHARE
            self._parts[part] = np.where(mask[:, :, None], written.photograph.pixels, np.uint8(GREY)) if shown else None
        return self._parts[part]

    def _mask(self, written: Written, part: str) -> Mask:
        if part == "kept":
            return written.preserved
        if self._unchanged is None:
            changed = np.moveaxis(written.photograph.pixels != written.original.photograph.pixels, 2, 0)
            self._unchanged = ~(changed[0] | changed[1] | changed[2] | written.preserved)
        if part not in PARSED:
            return self._unchanged
        seen, inside = self._seen(written.original)
        outside = ~inside if part == "background" else np.zeros_like(inside)
        return np.asarray(self._unchanged & ((seen[:, :, PARSED.index(part)] > 0.5) | outside))

    def _seen(self, source: Original) -> tuple[Floats, Mask]:
        """``(H, W, K)``, probability of each of :data:`PARSED`, and ``(H, W)``, where the parser looked."""
        if self._classes is None:
            assert self.parser is not None, "parts of the face's classes are asked for with a parser"
            face = align(source.photograph, source.seen.landmarks, ALIGNED)
            classes = self.parser.parse(face)[[Semantic.named(part) for part in PARSED]]
            self._classes = warp_to_photograph(classes, face, source.photograph.size)
        return self._classes


def shape(landmarks: Points) -> Matrix:
    """``(136,)``: landmarks about the eyes' middle, upright, in eye distances."""
    left, right = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
    across = (right - left) / max(float(np.hypot(*(right - left))), 1e-9) ** 2
    turned = (landmarks - (left + right) / 2) @ np.array([[across[0], -across[1]], [across[1], across[0]]])
    return np.asarray(turned.ravel())


def _is_found(seen: Observation) -> bool:
    return next(iter(seen.found.values()), False) and bool(np.isfinite(seen.landmarks).all())


def _feed(add: Callable[[Any, list[str], list[str]], None], vector: Matrix | None, source: Original) -> None:
    if vector is not None:
        add([vector], [source.person], [source.photograph.digest])
