"""Roles and views of a person's photographs: when each was taken, and from which side; and the photographs of a person's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vera import files
from vera.data.manifest import file_fault
from vera.types import VeraError

DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}
"""Units of time in names of files, and about how many days each has."""
WHEN = re.compile(rf"(?<![a-z])(?:(?P<word>before|after)|(?P<unit>{'|'.join(DAYS)})s?[ _.-]?(?P<count>[0-9]{{1,4}}))(?![a-z0-9])")
"""A role within a file's name, in small letters: no part of a longer word, as "afternoon" is."""
FIRST, LAST, UNKNOWN = -1, 10**7, 10**6
"""Places of "before", "after" and names without a role in the order of time."""
LITTER = frozenset({"thumbs.db", "desktop.ini"})
"""Files that systems put into folders, beside hidden ones."""


def role_of(stem: str) -> str:
    """The role that a file's name tells: ``before``, ``after``, ``week 6`` and the like; empty where it tells none, or several.

    Args:
        stem: the file's name without its suffix.

    Examples:
        >>> from vera.cli.roles import role_of
        >>> role_of("0417_Before-1"), role_of("week06 left"), role_of("afternoon")
        ('before', 'week 6', '')

    """
    found = {match["word"] or f"{match['unit']} {int(match['count'])}" for match in WHEN.finditer(stem.lower())}
    return found.pop() if len(found) == 1 else ""


def time_of(role: str) -> int:
    """A number that puts roles in the order of time: before, day 1, week 6, ..., after; a name without a role comes before "after"."""
    if role in ("before", "after"):
        return FIRST if role == "before" else LAST
    unit, _, count = role.partition(" ")
    return DAYS[unit] * int(count) if unit in DAYS else UNKNOWN


def photographs_of(given: Sequence[Path], *, masks: Sequence[Path], out: Path) -> tuple[list[Path], list[str]]:
    """Put the photographs of folders in the place of the folders.

    A folder's photographs come in the order of their roles, so that "before" comes before "after", then of their names. Its own
    folders and hidden files are not looked at.

    Args:
        given: photographs and folders of one person.
        masks: files that are no photographs wherever they lie.
        out: the output folder, which is not read.

    Returns:
        The photographs, and the role of each; empty for a photograph that was given by itself.

    Raises:
        VeraError: a folder holds no photograph, or something else; or it is the output folder.

    """
    found: list[tuple[Path, str]] = []
    apart = {mask.absolute() for mask in masks}
    for path in given:
        if not os.path.isdir(path):  # not Path.is_dir, which raises for a name that is too long
            found.append((path, ""))
            continue
        if out.is_dir() and out.samefile(path):
            raise VeraError(f"{files.printable(str(path))} is read and written: choose another folder with --out")
        inside = [(file, role_of(file.stem)) for file in _files_in(path) if file.absolute() not in apart]
        if not inside:
            raise VeraError(f"{files.printable(str(path))} holds no photograph: give the folder of one person, or a --manifest for many")
        found += sorted(inside, key=lambda one: (time_of(one[1]), one[0].name))
    return [file for file, _ in found], [role for _, role in found]


def _files_in(folder: Path) -> list[Path]:
    """The photographs of a folder by their content; a VeraError for another file, which would be left out unnoticed."""
    from vera.faces.formats import recognise  # only now, since it brings numpy and Pillow
    from vera.faces.image_file import read_file

    try:
        names = [path for path in folder.iterdir() if not path.is_dir()]
    except OSError as error:
        raise VeraError(f"{files.printable(str(folder))} can't be read ({error.strerror}): check its permissions") from error
    found = [path for path in names if not path.name.startswith(".") and path.name.lower() not in LITTER]
    for path in found:
        if fault := file_fault(path):
            raise VeraError(f"{fault}: check the path")
        shown = files.printable(str(path))
        try:
            recognise(read_file(path), shown)
        except VeraError as error:
            advice = "move what is no photograph elsewhere, or name the photographs one by one"
            raise VeraError(f"{files.printable(str(folder))} is taken for a person's photographs, but {error}; {advice}") from error
    return found
