"""Regions that ``--preserve`` can name beside the semantic classes: parts of a face, boxes and polygons, each with an optional margin.

Left and right are the patient's: the patient's left eye is on the right of the photograph as it is displayed. What the names mean in a
face is drawn by :mod:`vera.faces.regions`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from vera.types import Semantic, VeraError
from vera.untrusted import shown

NAMES = {
    "teeth": "inside of the lips: teeth, gums, tongue; refused when the mouth is closed",
    "lips": "red of both lips, without what is between them",
    "left_eye": "patient's left eye, between the lids",
    "right_eye": "patient's right eye, between the lids",
    "left_upper_eyelid": "skin between the left eye and its brow",
    "right_upper_eyelid": "skin between the right eye and its brow",
    "left_lower_eyelid": "skin under the left eye, 12 mm in its middle",
    "right_lower_eyelid": "skin under the right eye, 12 mm in its middle",
    "left_brow": "hair of the left brow",
    "right_brow": "hair of the right brow",
    "nose_tip": "tip of the nose, above the nostrils",
    "nostrils": "both nostrils and what is between them",
    "left_cheek": "skin from the left lower lid to the jaw, beside nose and mouth",
    "right_cheek": "skin from the right lower lid to the jaw, beside nose and mouth",
    "cheeks": "both cheeks",
    "chin": "skin below the lower lip, down to the jaw",
    "forehead": "skin above the brows, up to the hair",
    "left_ear": "visible part of the left ear",
    "right_ear": "visible part of the right ear",
}
"""Each named region with what it is."""
OUTLINES = {
    "teeth": (Semantic.MOUTH,),
    "lips": (Semantic.MOUTH,),
    "eye": (Semantic.EYES,),
    "upper_eyelid": (Semantic.EYES, Semantic.BROWS),
    "lower_eyelid": (Semantic.EYES,),
    "brow": (Semantic.BROWS,),
    "forehead": (Semantic.BROWS,),
    "nose_tip": (Semantic.NOSE,),
    "nostrils": (Semantic.NOSE,),
}
"""By a region's name, without its side: the classes that it is a part of, or borders on. New lips around kept teeth, a new eye or brow
beside a kept lid, must have the photograph's outline."""
MM_OF_EYE_DISTANCE = 63.0
"""Millimetres that one eye distance stands for: the mean interpupillary distance of adults (Dodgson, Variation and extrema of human
interpupillary distance, SPIE 5291, 2004). An estimate: adults have 52 to 78 mm, children less, and a turned head shows less of it."""
MOST_MARGIN = 1.0
"""DECISION: largest margin in eye distances; a region that needs more is a box, a polygon or a drawn mask."""
SHAPES = ("box", "polygon")
MARGIN = re.compile(r"(?P<what>.+?)\+(?P<size>[0-9]*\.?[0-9]+)(?P<mm> ?mm)?")
COORDINATE = re.compile(r"\s*-?[0-9]*\.?[0-9]+(\+[0-9]*\.?[0-9]+( ?mm)?)?\s*")
"""A number, the last with a margin: what a comma after a box or polygon goes on with."""


@dataclass(frozen=True)
class Region:
    """A region to preserve.

    Attributes:
        name: key of :data:`NAMES`, the name of a semantic class, ``box`` or ``polygon``.
        numbers: x, y, width, height of a box; x1, y1, x2, y2, ...; in pixels of the photograph as it is displayed.
        margin: dilation of the region, in eye distances.

    """

    name: str
    numbers: tuple[float, ...] = ()
    margin: float = 0.0

    def __str__(self) -> str:
        numbers = f":{','.join(f'{number:g}' for number in self.numbers)}" if self.numbers else ""
        return self.name + numbers + (f"+{self.margin:.4g}" if self.margin else "")

    @property
    def outlined(self) -> tuple[Semantic, ...]:
        """Classes whose outline must stay where it is, so that what is new fits around this region."""
        return OUTLINES.get(self.name.removeprefix("left_").removeprefix("right_"), ())

    @property
    def is_shape(self) -> bool:
        """Whether the region is a box or polygon, which belongs to one photograph."""
        return self.name in SHAPES


def parse_region(text: str) -> Region:
    """Read a region: ``left_eye``, ``lips+0.1`` (eye distances), ``lips+3mm``, ``box:x,y,w,h``, ``polygon:x1,y1,x2,y2,x3,y3``.

    Raises:
        VeraError: an unknown name (the nearest one is named), a margin or numbers that cannot be used.

    Examples:
        >>> from vera.faces.region_choice import parse_region
        >>> str(parse_region("lips+6.3mm"))
        'lips+0.1'
        >>> parse_region("box:10,20,30,40").numbers
        (10.0, 20.0, 30.0, 40.0)

    """
    what, margin = text.strip(), 0.0
    if found := MARGIN.fullmatch(what):
        what, margin = found["what"].strip(), float(found["size"]) / (MM_OF_EYE_DISTANCE if found["mm"] else 1.0)
        if not 0 < margin <= MOST_MARGIN:
            raise VeraError(
                f"'{text}': a margin is above 0 and at most {MOST_MARGIN:g} eye distance ({MM_OF_EYE_DISTANCE:g}mm): "
                "write lips+0.1 or lips+3mm, or draw a mask"
            )
    elif "+" in what:
        raise VeraError(f"'{text}': its margin cannot be read: write lips+0.1 (eye distances) or lips+3mm")
    name, colon, rest = what.partition(":")
    name = re.sub(r"[\s_-]+", "_", name.strip().lower())
    if name in SHAPES:
        return Region(name, _numbers(name, rest, text), margin)
    if not colon and (name in NAMES or name.upper() in Semantic.__members__):
        return Region(name, (), margin)
    raise VeraError(unknown(what))


def unknown(what: str) -> str:
    """The sentence about a name that is neither a region nor a class."""
    known = [*(member.name.lower() for member in Semantic), *NAMES]
    asked = re.sub(r"[\s_-]+", "_", what.strip().lower())
    last = asked.rpartition("_")[2].removesuffix("s")  # it says what is meant: upper lip, left nostril
    near = [name for name in known if last in (word.removesuffix("s") for word in name.split("_"))]
    near = near or difflib.get_close_matches(asked, known, n=1)
    advice = f"did you mean '{near[0]}'? If not," if near else "for another part"
    return f"unknown region '{shown(what)}': {advice} give box:x,y,w,h, polygon:x1,y1,... or a drawn mask; the names are {', '.join(known)}"


def split_classes(regions: Collection[Region]) -> tuple[tuple[Semantic, ...], tuple[Region, ...]]:
    """Part semantic classes without a margin, which the parser finds as a whole, from all other regions; each is kept once."""
    whole = [region for region in regions if region.name.upper() in Semantic.__members__ and not region.margin]
    classes = {region: Semantic.named(region.name) for region in whole}
    return tuple(classes.values()), tuple(region for region in dict.fromkeys(regions) if region not in classes)


def split_list(values: Iterable[str]) -> list[str]:
    """Split comma lists into items; the numbers of a box or polygon stay together.

    Examples:
        >>> from vera.faces.region_choice import split_list
        >>> split_list(["mouth,box:1,2,3,4+3mm,chin"])
        ['mouth', 'box:1,2,3,4+3mm', 'chin']

    """
    items: list[str] = []
    for value in values:
        shape = False
        for part in value.split(","):
            if shape and COORDINATE.fullmatch(part):
                items[-1] += f",{part.strip()}"
                shape = "+" not in part
            else:
                items.append(part.strip())
                shape = part.strip().lower().startswith(tuple(f"{name}:" for name in SHAPES))
    return items


def require_one_photograph(regions: Sequence[Region], count: int) -> None:
    """Raise a VeraError for a box or polygon with several photographs: it does not say to which of them it belongs."""
    shape = next((region for region in regions if region.is_shape), None)
    if shape and count > 1:
        raise VeraError(
            f"'{shape}' does not say to which of several photographs it belongs: give a mask file for each, or make a call for each "
            "photograph, with --save-identity and --identity"
        )


def _numbers(name: str, rest: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in rest.split(","))
    except ValueError:
        numbers = ()
    if not all(map(math.isfinite, numbers)):
        numbers = ()
    if name == "box" and (len(numbers) != 4 or min(numbers[2:]) <= 0):
        raise VeraError(f"'{text}': a box is box:x,y,w,h, four numbers of pixels, its width and height above 0")
    if name == "polygon" and (len(numbers) < 6 or len(numbers) % 2):
        raise VeraError(f"'{text}': a polygon is polygon:x1,y1,x2,y2,x3,y3,..., at least three points in pixels")
    return numbers
