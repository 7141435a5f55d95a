"""A manifest of millions of rows, without the manifest in memory: a first pass notes where each person's rows are, a second reads them.

The first pass keeps three numbers a row: a hash of the person, a hash of the output's name, and the row's place in the file. It finds
everything that can be told without opening a photograph. Rows of one person need not stand together, but are read faster if they do.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from unicodedata import normalize

import numpy as np

from vera import files
from vera.data.manifest import check_files, further_columns, view_of
from vera.data.people import Person, PhotographFile
from vera.data.remote import Address
from vera.types import VeraError

LONGEST = 1 << 20
"""DECISION: bytes of a line of a CSV file."""
LONGEST_CELL = 1 << 13
"""DECISION: bytes of a cell of a Parquet file: twice the longest path. A batch of rows has at most as many times this."""
LARGEST_COLUMN = 1 << 27
"""DECISION: bytes of one column in one group of rows of a Parquet file, which may be one page, and is then read as a whole."""
BATCH = 8192
"""DECISION: rows of a Parquet file that are Python's objects at a time."""
PARQUET = b"PAR1"
"""First bytes of a Parquet file."""


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        place: position from which it can be read again.
        line: its number for messages, from 1.
        cells: its cells, in the header's order.

    """

    place: int
    line: int
    cells: Sequence[str]


class Rows(Protocol):
    """A table on disk."""

    header: Sequence[str]

    def __iter__(self) -> Iterator[Row]:
        """All rows below the header."""
        ...

    def read(self, places: Sequence[int]) -> list[Sequence[str]]:
        """Cells of the rows at these places."""
        ...


class ManifestIndex:
    """Index of a manifest: the places of each person's rows, people in the order of their first rows.

    Args:
        manifest: CSV in UTF-8 (its form: :func:`vera.data.manifest.read_manifest`), or a Parquet file with the same columns.
        per_folder: so many people in a row share a folder; None: all do.
        named: outputs get their photographs' names, which must differ in a folder.
        address: address that the manifest was copied from, and that its paths are relative to; None for a manifest on disk.

    Raises:
        VeraError: the manifest can't be read, has unknown or missing columns, an empty cell, an unknown view, an id that can't be shown,
            or two photographs whose outputs would have one name. That a photograph is missing is found later, when its person's turn comes.

    """

    def __init__(self, manifest: Path, *, per_folder: int | None = None, named: bool = True, address: Address | None = None) -> None:
        check_files([manifest])
        self.manifest, self._address = manifest, address
        self._rows: Rows = ParquetRows(manifest) if _begins(manifest, PARQUET) else CsvRows(manifest)
        further_columns(manifest, self._rows.header, groups=False)
        self._columns = {name: number for number, name in enumerate(self._rows.header)}
        people, names, places = self._scan(named)
        if not len(people):
            raise VeraError(f"{manifest} names no photograph: add a line for each")
        _, first, sorted_at = np.unique(people, return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int32)
        rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)  # people are numbered by their first rows
        who = rank[sorted_at]
        if named:
            self._check_names(names, who // (per_folder or len(first)), places)
        self._places = places[np.argsort(who, kind="stable")]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(who))])

    def __len__(self) -> int:
        """Number of people."""
        return len(self._starts) - 1

    @property
    def photographs(self) -> int:
        """Number of photographs."""
        return len(self._places)

    def photographs_before(self, person: int) -> int:
        """Number of photographs of the people before this one."""
        return int(self._starts[person])

    def people(self, start: int, stop: int) -> list[Person]:
        """Read some people.

        Args:
            start: number of the first, from 0.
            stop: number after the last.

        Raises:
            VeraError: the manifest was changed meanwhile.

        """
        stop = min(stop, len(self))
        cells = self._rows.read(self._places[self._starts[start] : self._starts[stop]].tolist())
        found, at = [], 0
        for number in range(start, stop):
            count = int(self._starts[number + 1] - self._starts[number])
            rows = [self._named(row) for row in cells[at : at + count]]
            at += count
            if len({row["person"] for row in rows}) > 1:  # or two ids with one hash, which another call's hashes tell apart
                raise VeraError(f"{self.manifest} was changed during the call: make the call again")
            found.append(Person(rows[0]["person"], tuple(self._file(row) for row in rows)))
        return found

    def _named(self, cells: Sequence[str]) -> dict[str, str]:
        return {name: cells[number].strip() for name, number in self._columns.items()}

    def _file(self, row: Mapping[str, str]) -> PhotographFile:
        path, mask = self._beside(row["path"]), self._beside(row["mask"]) if row.get("mask") else None
        return PhotographFile(row.get("role", ""), path, mask, row.get("view", "").lower())

    def _beside(self, cell: str) -> Path:
        return self._address.beside(cell) if self._address else self.manifest.parent / cell

    def _check_addresses(self, cells: Sequence[str], line: int) -> None:
        """Raise a VeraError for a cell that is an address which a table at an address may not name."""
        for cell in (cells[self._columns[name]].strip() for name in ("path", "mask") if name in self._columns):
            try:
                self._beside(cell)
            except VeraError as error:
                raise VeraError(f"{self.manifest}, line {line}: {error}") from error

    def _scan(self, named: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Hashes of people and of output names, and places, of all rows."""
        person_at, path_at = self._columns["person"], self._columns["path"]
        view_at = self._columns.get("view")
        people, names, places = array("q"), array("q"), array("q")
        for place, line, cells in self._rows:
            person, path = cells[person_at].strip(), cells[path_at].strip()
            if not person or not path:
                raise VeraError(f"{self.manifest}, line {line}: person and path must not be empty")
            if not (person.isascii() and person.isprintable()) and files.printable(person) != person:
                shown = files.printable(person)
                raise VeraError(f"{self.manifest}, line {line}: the person {shown!r} has signs that can't be shown: use letters and digits")
            if view_at is not None:
                view_of({"view": cells[view_at].strip()}, f"{self.manifest}, line {line}")
            if self._address:
                self._check_addresses(cells, line)
            people.append(hash(person))
            places.append(place)
            if named:
                names.append(hash(_output(path)))
        return tuple(np.frombuffer(part, np.int64) if part else np.zeros(0, np.int64) for part in (people, names, places))  # type: ignore[return-value]

    def _check_names(self, names: np.ndarray[Any, Any], folder: np.ndarray[Any, Any], places: np.ndarray[Any, Any]) -> None:
        """Raise a VeraError for two photographs of one folder and name."""
        order = np.lexsort((names, folder))
        same = (np.diff(names[order]) == 0) & (np.diff(folder[order]) == 0)
        for at in np.flatnonzero(same):
            one, other = (self._named(cells)["path"] for cells in self._rows.read(sorted(places[order[at : at + 2]].tolist())))
            if _output(one) == _output(other):  # hashes may be equal by chance
                raise VeraError(
                    f"{files.printable(one)} and {files.printable(other)} would both be written as {files.printable(_stem(one))}.png: "
                    "rename one of them, or use --rename"
                )


class CsvRows:
    """A CSV file, read line by line; a row's place is its first byte.

    Args:
        path: the file, UTF-8, its cells separated by commas.

    Raises:
        VeraError: it can't be read, is no CSV, or has two columns of one name.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = next((row.cells for row in self._from(0)), [])
        if len({name.strip() for name in self.header}) < len(self.header):
            raise VeraError(f"{path} has two columns of the same name: rename one")

    def __iter__(self) -> Iterator[Row]:
        rows = self._from(0)
        next(rows, None)
        for row in rows:
            if len(row.cells) != len(self.header):
                raise VeraError(f"{self.path}, line {row.line}: has not as many cells as the header")
            yield row

    def read(self, places: Sequence[int]) -> list[Sequence[str]]:
        """Cells of the rows at these places."""
        found: list[Sequence[str]] = []
        with self.path.open("rb") as file:
            for place in places:
                file.seek(place)
                try:
                    cells = next(csv.reader(self._lines(file, [place]), strict=True), [])
                except csv.Error:
                    cells = []
                if len(cells) != len(self.header):
                    raise VeraError(f"{self.path} was changed during the call: make the call again")
                found.append(cells)
        return found

    def _from(self, place: int) -> Iterator[Row]:
        told = [place]
        with self.path.open("rb") as file:
            reader = csv.reader(self._lines(file, told), strict=True)
            try:
                while True:
                    start = told[0]
                    cells = next(reader)
                    if cells:
                        yield Row(start, reader.line_num, cells)
            except StopIteration:
                return
            except csv.Error as error:
                raise VeraError(f"{self.path} can't be read as CSV ({error}): save it as CSV, with commas") from error

    def _lines(self, file: Any, told: list[int]) -> Iterator[str]:
        """The text line by line; the list's one number is the place after it."""
        for line in iter(partial(file.readline, LONGEST + 1), b""):
            if len(line) > LONGEST:
                raise VeraError(f"{self.path} has a line of more than {LONGEST:,} bytes: it is no table of photographs")
            try:
                text = line.decode("utf-8-sig" if told[0] == 0 else "utf-8")
            except UnicodeDecodeError as error:
                raise VeraError(f"{self.path} is no text in UTF-8: save it as such") from error
            told[0] += len(line)
            yield text


class ParquetRows:
    """A Parquet file of texts, read batch by batch; a row's place is its number.

    What could fill the memory is refused beforehand: large groups of rows by the file's metadata, long cells by a first reading, of one
    column after the other as a dictionary, in which a text that is repeated stands once.

    Args:
        path: the file, all its columns texts.

    Raises:
        VeraError: pyarrow is not installed, the file is damaged, a column holds no texts, two have one name, or one is too large.

    """

    def __init__(self, path: Path) -> None:
        if find_spec("pyarrow") is None:
            raise VeraError(f"{path} is a Parquet file, and pyarrow is not installed: run `pip install 'vera-anonymization[archives]'`")
        import pyarrow
        from pyarrow import parquet

        self.path = path
        try:
            self._file = parquet.ParquetFile(path, memory_map=True)
            schema = self._file.schema_arrow
            self.header: Sequence[str] = list(schema.names)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise VeraError(f"{path} is damaged, or no Parquet file: make it anew") from error
        if len(set(self.header)) < len(self.header):
            raise VeraError(f"{path} has two columns of the same name: rename one")
        kinds = pyarrow.types
        for column in schema:
            if not (kinds.is_string(column.type) or kinds.is_large_string(column.type) or kinds.is_null(column.type)):
                raise VeraError(f"{path} has {column.type} in the column '{files.printable(column.name)}': save all columns as texts")
        groups = [self._file.metadata.row_group(number) for number in range(self._file.num_row_groups)]
        largest = max((group.column(at).total_uncompressed_size for group in groups for at in range(group.num_columns)), default=0)
        if largest > LARGEST_COLUMN:
            raise VeraError(
                f"{path} has more than {LARGEST_COLUMN >> 20} MiB in one column of a group of rows: save it in smaller groups, "
                "and make sure that it holds paths and names, no pictures"
            )
        self._ends = np.cumsum([group.num_rows for group in groups])
        for column in schema:
            if not kinds.is_null(column.type):
                self._check_lengths(column.name)

    def __iter__(self) -> Iterator[Row]:
        import pyarrow

        place = 0
        try:
            for batch in self._file.iter_batches(batch_size=BATCH, use_threads=False):
                for cells in zip(*map(self._texts, batch.columns), strict=True):
                    yield Row(place, place + 1, [cell or "" for cell in cells])
                    place += 1
        except (pyarrow.ArrowException, OSError) as error:
            raise VeraError(f"{self.path} is damaged: make it anew") from error

    def read(self, places: Sequence[int]) -> list[Sequence[str]]:
        """Cells of the rows at these places; the groups of rows that they lie in are run through once, a group may be the whole file."""
        wanted = np.unique(np.asarray(places, np.int64))
        found: dict[int, Sequence[str]] = {}
        for group in np.unique(np.searchsorted(self._ends, wanted, side="right")).tolist():
            at = int(self._ends[group - 1]) if group else 0
            for batch in self._file.iter_batches(batch_size=BATCH, row_groups=[group], use_threads=False):
                here = wanted[np.searchsorted(wanted, at) : np.searchsorted(wanted, at + batch.num_rows)]
                if len(here):
                    columns = [self._texts(column) for column in batch.take(here - at).columns]
                    rows = ([cell or "" for cell in cells] for cells in zip(*columns, strict=True))
                    found |= dict(zip(here.tolist(), rows, strict=True))
                at += batch.num_rows
        return [found[place] for place in places]

    def _check_lengths(self, name: str) -> None:
        """Raise a VeraError for a column with long cells, or damaged."""
        import pyarrow
        from pyarrow import compute, parquet

        column = parquet.ParquetFile(self.path, memory_map=True, read_dictionary=[name])
        try:
            for batch in column.iter_batches(batch_size=BATCH, columns=[name], use_threads=False):
                longest = compute.max(compute.binary_length(batch.column(0).dictionary)).as_py() or 0
                if longest > LONGEST_CELL:
                    said = f"a cell of {longest:,} bytes, at most {LONGEST_CELL:,} are a path or a name"
                    raise VeraError(f"{self.path} has {said}: save no pictures in it")
        except (pyarrow.ArrowException, OSError) as error:
            raise VeraError(f"{self.path} is damaged: make it anew") from error

    def _texts(self, column: Any) -> list[str | None]:
        """A column of a batch."""
        try:
            return list(column.to_pylist())
        except UnicodeDecodeError as error:  # pyarrow does not look when it reads
            raise VeraError(f"{self.path} has texts that are not in UTF-8: make it anew") from error


def _begins(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError as error:
        raise VeraError(f"{path} can't be read ({error.strerror}): check the path") from error


def _output(path: str) -> str:
    """Form of an output's name in which two that are equal cannot be in one folder of any file system."""
    stem = _stem(path)
    return stem.lower() if stem.isascii() else normalize("NFC", files.printable(stem).casefold())


def _stem(path: str) -> str:
    """``Path(path).stem``, in a tenth of the time."""
    name = path.rstrip("/").rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix else name
