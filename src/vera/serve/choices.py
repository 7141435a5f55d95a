"""Read the choices of a call from JSON: every field is checked here, and none of them can name a file of the machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from vera.faces.region_choice import parse_region
from vera.files import printable
from vera.serve.strokes import Stroke, read_strokes
from vera.types import VeraError

METHODS = ("cover", "blur", "pixelate")
"""Ways to hide the face where no new one is wanted."""
LONGEST = 200
"""DECISION: signs of a text that the page sends, such as a person's id."""
MOST_REGIONS = 60
"""DECISION: regions of one call; there are fewer names."""


@dataclass(frozen=True)
class Choices:
    """The choices of a person's call; the names are those of the options of ``vera anonymize``.

    Attributes:
        preserve: regions by name, as ``--preserve`` takes them; no files.
        drawn: strokes that paint a photograph's mask, by its number.
        person: the person's id; None: derived from the photographs.
        seed: draws the new face; None: a random one.
        kind: identity group, ``female`` or ``male``; None for the photographs' own.
        method: ``cover``, ``blur`` or ``pixelate`` instead of a new face; None for a new face.
        face: number of the face in a photograph with several, from 1.
        leave_others: the other faces may stay recognisable.
        upright: turned photographs are turned instead of refused.
        hair: replace the hair too.
        rename: neutral names of the outputs.
        mark: mark the pictures as altered.
        use_identity: take the face of the uploaded file.
        keep_identity: add the new face to the download, for a later visit.

    """

    preserve: tuple[str, ...] = ()
    drawn: tuple[tuple[int, tuple[Stroke, ...]], ...] = ()
    person: str | None = None
    seed: int | None = None
    kind: str | None = None
    method: str | None = None
    face: int | None = None
    leave_others: bool = False
    upright: bool = False
    hair: bool = False
    rename: bool = True
    mark: bool = True
    use_identity: bool = False
    keep_identity: bool = False


FLAGS = tuple(known.name for known in fields(Choices) if isinstance(known.default, bool))
"""Choices that are on or off."""


def read_choices(value: Any) -> Choices:
    """Choices from a JSON value.

    Args:
        value: a mapping with any of the fields of :class:`Choices`; ``drawn`` maps numbers to lists of strokes.

    Raises:
        VeraError: an unknown field, or a value that can't be used.

    """
    if not isinstance(value, dict):
        raise VeraError("the choices are no mapping: send a JSON object")
    if unknown := sorted(set(value) - {known.name for known in fields(Choices)}):
        raise VeraError(f"there is no choice '{printable(unknown[0])[:LONGEST]}': leave it out")
    read: dict[str, Any] = {name: _flag(name, value[name]) for name in FLAGS if name in value}
    for name in ("person", "kind", "method"):
        if value.get(name):
            read[name] = _text(name, value[name])
    for name in ("seed", "face"):
        if value.get(name) is not None:
            read[name] = _whole(name, value[name], low=1 if name == "face" else 0)
    if read.get("method", METHODS[0]) not in METHODS:
        raise VeraError(f"there is no method '{read['method']}': choose {', '.join(METHODS)}, or none for a new face")
    named = value.get("preserve") or []
    if not isinstance(named, list) or len(named) > MOST_REGIONS:
        raise VeraError(f"preserve is no list of at most {MOST_REGIONS} names: send names of regions")
    read["preserve"] = tuple(str(parse_region(_text("preserve", name))) for name in named)
    return _consistent(Choices(**read, drawn=_drawn(value.get("drawn") or {})))


def _consistent(choices: Choices) -> Choices:
    """The choices, if they do not contradict each other."""
    given = [name for name in ("seed", "kind") if getattr(choices, name) is not None]
    if choices.use_identity and given:
        raise VeraError(f"a face of an earlier visit and {given[0]} were both given: leave one of them out")
    drawing = [*given, *(name for name in ("use_identity", "keep_identity") if getattr(choices, name))]
    if choices.method and drawing:
        raise VeraError(f"the method {choices.method} draws no new face, so {drawing[0]} means nothing: leave one of the two out")
    return choices


def _drawn(value: Any) -> tuple[tuple[int, tuple[Stroke, ...]], ...]:
    if not isinstance(value, dict) or not all(number.isdecimal() and len(number) < 4 for number in value):
        raise VeraError("drawn is no mapping from numbers of photographs to strokes: send a JSON object")
    return tuple((int(number), read_strokes(strokes)) for number, strokes in sorted(value.items()) if strokes)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise VeraError(f"{name} is neither true nor false: send one of the two")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or printable(value) != value:
        raise VeraError(f"{name} is no text of at most {LONGEST} signs that can be shown: use letters, digits and spaces")
    return value


def _whole(name: str, value: Any, *, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
        raise VeraError(f"{name} is no whole number from {low} to 2^63 - 1: send another")
    return value
