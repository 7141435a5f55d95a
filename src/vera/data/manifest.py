"""``pairs.csv``: many people's photographs in one table, with masks and group labels where there are any."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from vera import files
from vera.data.people import Person, PhotographFile
from vera.types import VeraError
from vera.untrusted import read_table

COLUMNS = ("person", "role", "path", "mask")
VIEWS = ("frontal", "oblique", "profile", "close-up")
"""Sides from which a photograph is taken."""


def read_manifest(manifest: Path, *, groups: bool) -> list[Person]:
    """People from a CSV with the columns person, role, path and (if wanted) mask; paths are relative to the CSV.

    Args:
        manifest: CSV file in UTF-8.
        groups: take any further column as a group label of the person (an empty cell: not known). Without it a further column
            is refused, since a misspelt 'mask' would silently preserve nothing; but there may be 'view', and 'role' may be missing.

    Raises:
        VeraError: the manifest can't be read, has unknown or missing columns, an empty cell, an unknown view, names a missing file, or
            gives one person two labels of the same column.

    """
    check_files([manifest])
    header, rows = read_table(manifest, what=f"{manifest}")
    labels = further_columns(manifest, header, groups=groups)
    photographs: dict[str, list[PhotographFile]] = {}
    unusable: list[str] = []
    known: dict[str, dict[str, str]] = {}
    for line, row in rows:
        where = f"{manifest}, line {line}"
        cells = {column: row[column].strip() for column in header}
        person = cells["person"]
        if not person or not cells["path"]:
            raise VeraError(f"{where}: person and path must not be empty")
        view = "" if groups else view_of(cells, where)
        path, mask = manifest.parent / cells["path"], manifest.parent / cells["mask"] if cells.get("mask") else None
        if fault := next((fault for file in (path, mask) if file and (fault := file_fault(file))), ""):
            unusable.append(f"{where}: {fault}")
        photographs.setdefault(person, []).append(PhotographFile(cells.get("role", ""), path, mask, view))
        for column in labels:
            if cells[column] and known.setdefault(person, {}).setdefault(column, cells[column]) != cells[column]:
                raise VeraError(
                    files.printable(f"{where}: '{person}' has another {column} in an earlier line: a group belongs to the person")
                )
    if unusable:
        more = f" (and {len(unusable) - 1} more lines with such faults)" if unusable[1:] else ""
        raise VeraError(f"{unusable[0]}{more}: check the path")
    if not photographs:
        raise VeraError(f"{manifest} names no photograph: add a line for each")
    return [Person(person, tuple(files), known.get(person, {})) for person, files in photographs.items()]


def view_of(cells: Mapping[str, str], where: str) -> str:
    """The view of a photograph by its row; empty where the manifest does not say so.

    Raises:
        VeraError: there is no such view; ``where`` says in which line.

    """
    view = cells.get("view", "").lower()
    if view and view not in VIEWS:
        raise VeraError(f"{where}: unknown view '{files.printable(view)}': choose from {', '.join(VIEWS)}, or leave it empty")
    return view


def further_columns(manifest: Path, header: Sequence[str], *, groups: bool) -> list[str]:
    """The columns that are group labels.

    Raises:
        VeraError: columns are missing, unknown, or probably misspelt.

    """
    further = [column for column in header if column not in (COLUMNS if groups else (*COLUMNS, "view"))]
    missing = set(COLUMNS[:3]) - set(header) - (set() if groups else {"role"})
    if missing or (further and not groups) or "" in further:
        wanted = "person, role, path and, if wanted, mask, and any columns of groups"
        wanted = wanted if groups else "person, path and, if wanted, role, mask, view"
        named = files.printable(", ".join(header)) or "none"
        raise VeraError(f"{manifest} has the columns {named}: it needs {wanted}")
    misspelt = [column for column in further if difflib.get_close_matches(column.lower(), ["mask"], cutoff=0.7)]
    if misspelt and "mask" not in header:
        named = files.printable(misspelt[0])
        raise VeraError(f"{manifest} has the column '{named}': if it means mask, call it so, else choose a name less alike")
    return further


def check_files(paths: Sequence[Path]) -> None:
    """Raise a VeraError for the first path that is not a file, or can't be read."""
    for path in paths:
        if fault := file_fault(path):
            raise VeraError(f"{fault}: check the path")


def file_fault(path: Path) -> str:
    """Describe what is wrong with a file without reading it; empty if nothing is."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISREG(kind):
            fault = "" if os.access(path, os.R_OK) else "can't be read (Permission denied)"
        else:
            fault = "is a folder, not a file" if stat.S_ISDIR(kind) else "is a pipe or a device, not a file"
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no file's name holds a NUL
        fault = "is not there"
    except OSError as error:
        fault = f"can't be read ({error.strerror})"
    return fault and f"{files.printable(str(path))} {fault}"
