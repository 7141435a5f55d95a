"""Read the table of consenting people: ids, photographs, sex, age and groups."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vera.faces.formats import SUFFIXES
from vera.types import VeraError
from vera.untrusted import read_table, read_text

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
"""What an id or a role may look like: both become parts of file names, joined by an underscore."""
OLDEST = 130
"""Years."""
UNKNOWN = frozenset({"", "na", "n/a", "?", "unknown"})
"""Cells that say nothing about a person."""
SEX = ("sex", "gender")
"""Names under which the column of sexes is found."""


@dataclass(frozen=True)
class SourcePerson:
    """One consenting person.

    Attributes:
        id: unique in the table.
        photographs: role to file; the same roles for everybody.
        sex: entry of the table; empty where it has none. Mosaics mix people of equal value.
        age: age in years, or None.
        groups: further columns of the table, for the report.

    """

    id: str
    photographs: Mapping[str, Path]
    sex: str = ""
    age: float | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles in the order of the table; the first is the resting face."""
        return tuple(self.photographs)


def read_people(table: Path, photos: Path) -> list[SourcePerson]:
    """Read ``people.csv``.

    The columns are person, role and path (relative to ``photos``), one line a photograph; or person alone, one line a person, and the
    photographs are found by their names, ``PERSON_ROLE.jpg``. Optional: sex (or gender), age; any other column is a group.

    Args:
        table: CSV file in UTF-8.
        photos: folder of the photographs.

    Raises:
        VeraError: the table can't be read, a photograph is missing or named twice, somebody lacks a role that others have, or a cell
            makes no sense; with the line.

    """
    if not photos.is_dir():
        raise VeraError(f"no folder '{photos}': --photos names the folder of the consenting people's photographs")
    header, rows = _read(table)
    listed = {"role", "path"} & set(header)
    if "person" not in header or len(listed) == 1:
        raise VeraError(f"{table} has the columns {', '.join(header) or 'none'}: it needs person, role, path, or person alone")
    files: dict[str, dict[str, Path]] = {}
    known: dict[str, dict[str, str]] = {}
    for line, row in rows:
        where = f"{table}, line {line}"
        person = _name(row["person"], "person", where)
        named = files.setdefault(person, {})
        if listed:
            role = _name(row["role"], "role", where)
            if role in named:
                raise VeraError(f"{where}: '{person}' has another photograph with the role {role}: take one of them")
            named[role] = photos / row["path"]
            if not row["path"] or not named[role].is_file():
                raise VeraError(f"{where}: there is no photograph '{named[role]}': paths are relative to --photos")
        elif person in known:
            raise VeraError(f"{where}: '{person}' is there twice: without the columns role and path there is one line a person")
        facts = {column: row[column] for column in header if column not in {"person", "role", "path"}}
        facts = {column: value for column, value in facts.items() if value.lower() not in UNKNOWN}
        for column, value in facts.items():
            if known.get(person, {}).get(column, value) != value:
                raise VeraError(f"{where}: '{person}' has another {column} in an earlier line: {column} belongs to the person")
        known.setdefault(person, {}).update(facts)
    if not listed:
        files = _found_by_name(files, photos)
    roles = list(next(iter(files.values()), {}))
    for person, named in files.items():
        lacking = set(roles) ^ set(named)
        if lacking:
            raise VeraError(f"{table}: not everybody has a photograph with the role {sorted(lacking)[0]} (see '{person}'): leave that out")
    if not roles:
        raise VeraError(f"{table} names no photograph: add a line for each")
    return [_person(p, {role: named[role] for role in roles}, known[p], table) for p, named in sorted(files.items())]


def chosen(people: Iterable[SourcePerson], *, only: Path | None, without: Path | None) -> list[SourcePerson]:
    """The people that mosaics may be made of.

    Args:
        people: everybody in the table.
        only: text file of ids, one a line: nobody else.
        without: text file of ids, one a line: not these (people held out of training).

    Raises:
        VeraError: a file that can't be read, an id that nobody has, or nobody left.

    """
    everybody = list(people)
    taken = {person.id for person in everybody}
    for file, keep in ((only, True), (without, False)):
        if file is None:
            continue
        named = {line.strip() for line in read_text(file, what=f"the list of people '{file}'").splitlines() if line.strip()}
        unknown = sorted(named - {person.id for person in everybody})
        if unknown:
            raise VeraError(f"'{file}' names '{unknown[0]}', who is not in the table of people")
        taken = taken & named if keep else taken - named
    if not taken:
        raise VeraError("nobody is left to make mosaics of: look at --only and --without")
    return [person for person in everybody if person.id in taken]


def _read(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    header, rows = read_table(table, what=f"{table}")
    stripped = [(line, {column.strip(): cell.strip() for column, cell in row.items()}) for line, row in rows]
    return [column.strip() for column in header], stripped


def _name(cell: str, column: str, where: str) -> str:
    if not SAFE.fullmatch(cell):
        raise VeraError(f"{where}: {column} is '{cell}': file names are made of it, use letters, digits, dots and hyphens")
    return cell


def _found_by_name(people: Iterable[str], photos: Path) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {person: {} for person in people}
    for file in sorted(photos.iterdir()):
        person, _, role = file.stem.partition("_")
        if file.suffix.lower() in SUFFIXES and person in found and SAFE.fullmatch(role):
            if role in found[person]:
                raise VeraError(f"'{file}' and '{found[person][role]}' are both {person}'s photograph with the role {role}: take one")
            found[person][role] = file
    lacking = [person for person, named in found.items() if not named]
    if lacking:
        raise VeraError(f"no photograph PERSON_ROLE.jpg of '{lacking[0]}' in '{photos}': add it, or the columns role and path")
    return found


def _person(person: str, photographs: dict[str, Path], facts: dict[str, str], table: Path) -> SourcePerson:
    sex = next((facts[column] for column in SEX if column in facts), "")
    try:
        age = float(facts["age"]) if "age" in facts else None
    except ValueError:
        age = math.nan
    if age is not None and not 0 <= age <= OLDEST:
        raise VeraError(f"{table}: the age of '{person}' is '{facts['age']}': give years, or leave the cell empty")
    groups = {column: value for column, value in facts.items() if column not in {*SEX, "age"}}
    return SourcePerson(person, photographs, sex, age, groups)
