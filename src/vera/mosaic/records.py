"""Records of a mosaic data set: ``meta.jsonl`` (one line for each photograph) and ``settings.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vera.files import append, write_whole
from vera.types import VeraError
from vera.untrusted import field, read_json, read_json_lines, shown

Record = dict[str, Any]
MEND = "remove the line, its mosaic is made again"
META, SETTINGS = "meta.jsonl", "settings.json"


class Records:
    """The records of a data set that is being made.

    Args:
        out: the data set's folder.

    Attributes:
        done: identity to its records, one for each role.

    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.done: dict[int, list[Record]] = {}

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Start, or go on.

        Raises:
            VeraError: the folder holds mosaics that were made otherwise, or can't be written.

        """
        there = read_settings(self.out)
        changed = [name for name in settings if there is not None and there.get(name) != settings[name]]
        if changed or (there is None and (self.out / META).is_file()):
            what = f"{', '.join(changed)} changed" if changed else "nothing says which"
            raise VeraError(f"'{self.out}' holds mosaics of other settings ({what}): choose another --out, or remove it")
        try:
            for folder in (self.out / "images", self.out / "masks"):
                folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.out / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())
            self.done = read_records(self.out)
            self.sort()
        except OSError as error:
            raise VeraError(f"'{self.out}' can't be written ({error.strerror}): choose another --out") from error

    def add(self, records: Sequence[Record]) -> None:
        """Record an identity; an interruption here loses this one only, and it is made again."""
        self.done[records[0]["identity"]] = list(records)
        append(self.out / META, _lines(records).encode())

    def sort(self) -> None:
        """Write all records anew, in order, without half-written lines."""
        write_whole(self.out / META, "".join(_lines(self.done[number]) for number in sorted(self.done)).encode())


def read_settings(out: Path) -> Record | None:
    """Read the settings of a folder of mosaics; None for a new folder."""
    file = out / SETTINGS
    return _mapping(read_json(file, what=f"'{file}'"), f"'{file}'") if file.is_file() else None


def read_records(out: Path) -> dict[int, list[Record]]:
    """Identity to its records, in the order of identities; those that are not complete, with all their files, are left out.

    Raises:
        VeraError: for a damaged line other than the last.

    """
    roles = (read_settings(out) or {}).get("roles", [])
    found: dict[int, dict[str, Record]] = {}
    records = read_json_lines(out / META, what=f"'{out / META}'", whole=True, mend=MEND) if (out / META).is_file() else []
    for record in records:
        what = f"a record in '{out / META}'"
        role, name = field(record, "role", str, what=what), field(record, "name", str, what=what)
        if Path(name).name != name:
            raise VeraError(f"{what} names the image '{shown(name)}', which lies elsewhere: it was not written by VerA")
        found.setdefault(field(record, "identity", int, what=what), {})[role] = record

    def complete(own: Mapping[str, Record]) -> bool:
        files = [f for r in own.values() for f in (out / "images" / f"{r['name']}.jpg", out / "masks" / f"{r['name']}.png")]
        return set(own) == set(roles) and all(file.is_file() for file in files)

    return {number: [found[number][role] for role in roles] for number in sorted(found) if complete(found[number])}


def _mapping(value: Any, what: str) -> Record:
    if not isinstance(value, dict):
        raise VeraError(f"{what} is no mapping: it was not written by VerA")
    return value


def labels(out: Path, field: str) -> dict[str, str]:
    """Read one field of a folder's records, by image name; records without it are left out."""
    records = [record for own in read_records(out).values() for record in own]
    return {record["name"]: str(record[field]) for record in records if record.get(field) not in (None, "")}


def _lines(records: Iterable[Record]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)
