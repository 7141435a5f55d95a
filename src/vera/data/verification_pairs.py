"""Pairs of photographs, of one person or of two, on which a recogniser's threshold is calibrated: LFW's ``pairs.txt``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vera.data.people import Person, existing, lines_of_words
from vera.faces.formats import SUFFIXES
from vera.rng import key
from vera.types import VeraError


@dataclass(frozen=True)
class Pair:
    """Two photographs.

    Attributes:
        first: file of the first photograph.
        second: file of the second photograph.
        same: whether both show the same person.
        fold: number of the fold, from 0, for cross-validation.

    """

    first: Path
    second: Path
    same: bool
    fold: int


def read_pairs(file: str | Path, root: str | Path) -> list[Pair]:
    """Read LFW's format (Huang et al., 2007).

    The first line says ``FOLDS PAIRS`` (``pairs.txt``: 10 300) or ``PAIRS`` for one fold (``pairsDevTrain.txt``). Each fold is
    first PAIRS lines ``NAME I J`` of one person's photographs I and J, then PAIRS lines ``NAME I OTHER J`` of two people's.

    Args:
        file: path of the file of pairs.
        root: LFW's folder, ``NAME/NAME_0001.jpg`` (or another suffix of an image).

    Raises:
        VeraError: the file can't be read or has another form, or photographs are missing.

    """
    root = existing(root)
    lines = iter(lines_of_words(file))
    head = next(lines, (1, []))[1]
    if len(head) not in (1, 2) or not all(word.isdecimal() and int(word) for word in head):
        raise VeraError(f"'{file}', line 1: LFW's pairs begin with the numbers of folds and of pairs in each section, as '10 300'")
    folds, count = (1, int(head[0])) if len(head) == 1 else (int(head[0]), int(head[1]))
    found: list[Pair] = []
    missing: list[str] = []
    for fold in range(folds):
        for same, words in ((True, 3), (False, 4)):
            for _ in range(count):
                number, line = next(lines, (0, []))
                if not number:
                    raise VeraError(f"'{file}' ends after {len(found)} of {2 * folds * count} pairs: copy it again")
                if len(line) != words or not all(word.isdecimal() for word in (line[1], line[-1])):
                    form = "NAME I J" if same else "NAME I OTHER J"
                    raise VeraError(f"'{file}', line {number}: a pair of {'one person' if same else 'two people'} has the form {form}")
                name, i, other, j = (line[0], line[1], line[0], line[2]) if same else line
                first, second = numbered_file(root, name, int(i), missing), numbered_file(root, other, int(j), missing)
                found.append(Pair(first, second, same, fold))
    extra = next(lines, None)
    if extra:
        raise VeraError(f"'{file}', line {extra[0]}: there are more pairs than the first line says: correct one of them")
    if missing:
        raise VeraError(f"'{root}' lacks {len(missing)} photographs of '{file}', the first is {missing[0]}: get the whole data set")
    return found


def draw_pairs(people: Sequence[Person], *, folds: int, count: int, seed: int) -> list[Pair]:
    """Pairs from any people, where no pairs file belongs to the data: ``count`` of one person and of two, in each fold.

    Nobody is in two folds, as in LFW. No pair is there twice. No command uses it: it is for scripts that calibrate recognisers on
    data without a pairs file.

    Raises:
        VeraError: for too few people or photographs.

    """
    rng = np.random.default_rng(key(seed, "pairs", 0))
    order = [people[int(n)] for n in rng.permutation(len(people))]
    pairs: list[Pair] = []
    for fold in range(folds):
        owned = [(n, photograph.path) for n, person in enumerate(order[fold::folds]) for photograph in person.photographs]
        sizes = Counter(owner for owner, _ in owned)
        one = sum(size * (size - 1) // 2 for size in sizes.values())
        for same, there in ((True, one), (False, len(owned) * (len(owned) - 1) // 2 - one)):
            if there < count:
                kind = "one person" if same else "two people"
                raise VeraError(f"fold {fold} has {there} pairs of {kind}, {count} were asked for: ask for fewer pairs or folds")
            chosen = choose(rng, [owner for owner, _ in owned], count, same=same)
            pairs += [Pair(owned[a][1], owned[b][1], same, fold) for a, b in chosen]
    return pairs


def choose(rng: np.random.Generator, owners: Sequence[int], count: int, *, same: bool) -> list[tuple[int, int]]:
    """Different pairs of positions with the same or with different owners; there must be enough."""
    chosen: dict[tuple[int, int], None] = {}
    positions = {owner: [n for n, other in enumerate(owners) if other == owner] for owner in set(owners)}
    while len(chosen) < count:
        a = int(rng.integers(len(owners)))
        b = int(rng.choice(positions[owners[a]])) if same else int(rng.integers(len(owners)))
        if a != b and (owners[a] == owners[b]) == same:
            chosen[min(a, b), max(a, b)] = None
    return list(chosen)


def numbered_file(root: Path, name: str, number: int, missing: list[str]) -> Path:
    """File of a person's photograph; one that is not there is added to ``missing``."""
    stem = f"{name}_{number:04d}"
    for suffix in sorted(SUFFIXES, key=lambda suffix: (suffix != ".jpg", suffix)):
        file = root / name / f"{stem}{suffix}"
        if file.is_file():
            return file
    missing.append(f"{name}/{stem}.jpg")
    return root / name / f"{stem}.jpg"
