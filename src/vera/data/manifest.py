"""``pairs.csv``: many people's photographs in one table, with masks and group labels where there are any."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

from vera.data.people import Person, PhotographFile
from vera.types import VeraError

COLUMNS = ("person", "role", "path", "mask")


def read_manifest(manifest: Path, *, groups: bool) -> list[Person]:
    """People from a CSV with the columns person, role, path and (if wanted) mask; paths are relative to the CSV.

    Args:
        manifest: the file, UTF-8.
        groups: take any further column as a group label of the person (an empty cell: not known). Without it a further column
            is refused, since a misspelt 'mask' would silently preserve nothing.

    Raises:
        VeraError: the manifest can't be read, has unknown or missing columns, an empty cell, names a missing file, or gives one
            person two labels of the same column.

    """
    check_files([manifest])
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="")
            header = tuple(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise VeraError(f"{manifest} can't be read as CSV in UTF-8 ({error})") from error
    labels = further_columns(manifest, header, groups=groups)
    photographs: dict[str, list[PhotographFile]] = {}
    known: dict[str, dict[str, str]] = {}
    for line, row in rows:
        where = f"{manifest}, line {line}"
        if "" in row or any(row[column] is None for column in header):
            raise VeraError(f"{where}: has not as many cells as the header")
        cells = {column: row[column].strip() for column in header}
        person = cells["person"]
        if not person or not cells["path"]:
            raise VeraError(f"{where}: person and path must not be empty")
        path, mask = manifest.parent / cells["path"], manifest.parent / cells["mask"] if cells.get("mask") else None
        check_files([path, mask] if mask else [path], where=f"{where}: ")
        photographs.setdefault(person, []).append(PhotographFile(cells["role"], path, mask))
        for column in labels:
            if cells[column] and known.setdefault(person, {}).setdefault(column, cells[column]) != cells[column]:
                raise VeraError(f"{where}: '{person}' has another {column} in an earlier line: a group belongs to the person")
    if not photographs:
        raise VeraError(f"{manifest} names no photograph: add a line for each")
    return [Person(person, tuple(files), known.get(person, {})) for person, files in photographs.items()]


def further_columns(manifest: Path, header: Sequence[str], *, groups: bool) -> list[str]:
    """The columns that are group labels.

    Raises:
        VeraError: columns are missing, twice there, unknown, or probably misspelt.

    """
    further = [column for column in header if column not in COLUMNS]
    missing = set(COLUMNS[:3]) - set(header)
    if missing or (further and not groups) or "" in further or len(set(header)) < len(header):
        more = ", and any columns of groups" if groups else ""
        raise VeraError(f"{manifest} has the columns {', '.join(header) or 'none'}: it needs person, role, path and, if wanted, mask{more}")
    misspelt = [column for column in further if difflib.get_close_matches(column.lower(), ["mask"], cutoff=0.7)]
    if misspelt and "mask" not in header:
        raise VeraError(f"{manifest} has the column '{misspelt[0]}': if it means mask, call it so, else choose a name less alike")
    return further


def check_files(paths: Sequence[Path], *, where: str = "") -> None:
    """Raise a VeraError for the first path that is not a file."""
    for path in paths:
        try:
            kinds = (path.is_file, ""), (path.is_dir, "is a folder, not a file"), (path.exists, "is not a regular file")
            fault = next((what for holds, what in kinds if holds()), "is not there")
        except OSError as error:
            fault = f"can't be read ({error.strerror})"
        if fault:
            raise VeraError(f"{where}{path} {fault}: check the path")
