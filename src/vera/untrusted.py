"""Read untrusted files safely: size, nesting, types and numbers are checked before anything uses them.

Bundles, identities, audits, tables, lists and results travel between machines. Each reader names the file and what is wrong in one
sentence (:class:`vera.types.VeraError`); nothing here runs, imports or allocates what a file asks for.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vera.types import VeraError

if TYPE_CHECKING:
    from torch import Tensor

JSON_LIMIT, JSON_DEPTH = 4 << 20, 32
"""DECISION: bytes and levels of nesting of a JSON file. Records of VerA have some kilobytes and five levels."""
TEXT_LIMIT = 64 << 20
"""DECISION: bytes of a text: a table of photographs (some 500,000 rows), a list of names, a model card."""
LINES_LIMIT = 1 << 30
"""DECISION: bytes of a file of JSON lines; 100,000 people evaluated make a tenth of it."""
ARRAYS_LIMIT = 4 << 30
"""DECISION: bytes of all arrays of a file, unpacked."""
ARRAYS = "biufU"
"""Kinds of arrays that are read, in numpy's letters: no objects, which are pickles."""
TENSORS_LIMIT = 4 << 30
"""DECISION: bytes of a file of tensors; the largest networks of the method have some 300 MB."""
NUMBERS = frozenset({"float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"})
"""Types of tensors that are read, as torch calls them."""
FETCH = "fetch the file again"
"""What to do with a damaged file that came from elsewhere."""
SHOWN = 80
"""Characters of a foreign text that a message repeats."""
T = TypeVar("T")
N = TypeVar("N", int, float)


class TensorFile(NamedTuple):
    """Content of a safetensors file.

    Attributes:
        tensors: tensors by name, on the CPU; all numbers are finite.
        metadata: texts of the file's header.

    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


class Table(NamedTuple):
    """A CSV file.

    Attributes:
        header: names of the columns, as they stand; no two differ by spaces around them alone.
        rows: number of the line, and its cells by column; all rows have a cell for each column.

    """

    header: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]


def read_bytes(path: str | Path, *, limit: int, what: str, follow: bool = True) -> bytes:
    """A file's content, once it is known to be small enough.

    Args:
        path: path of a regular file.
        limit: most bytes that are read.
        what: the file's name in messages, for example ``bundle 'x': bundle.json``.
        follow: read through a link; otherwise a link can't be read.

    Raises:
        VeraError: it is missing, no regular file, too large, or can't be read.

    """
    path = Path(path)
    try:
        if not path.is_file():  # a pipe or a device would never end
            raise VeraError(f"{what} is missing, or is no regular file: check the path")
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise VeraError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > limit:
        raise VeraError(f"{what} is larger than {limit:,} bytes, the most that is read of such a file: check the path")
    return content


def read_text(path: str | Path, *, what: str, limit: int = TEXT_LIMIT) -> str:
    """A text file's content; a byte order mark is taken away.

    Args:
        path: path of the file, UTF-8.
        what: its name in messages.
        limit: most bytes that are read.

    Raises:
        VeraError: see :func:`read_bytes`; it is no UTF-8.

    """
    try:
        return read_bytes(path, limit=limit, what=what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VeraError(f"{what} is no text in UTF-8: save it as such") from error


def read_table(path: str | Path, *, what: str, limit: int = TEXT_LIMIT) -> Table:
    """A CSV file with a header.

    Args:
        path: the file, UTF-8, its cells separated by commas.
        what: its name in messages.
        limit: most bytes that are read.

    Raises:
        VeraError: see :func:`read_text`; it is no CSV, has two columns of one name, or a row has not as many cells as the header.

    """
    reader = csv.reader(io.StringIO(read_text(path, what=what, limit=limit), newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise VeraError(f"{what} can't be read as CSV ({error}): save it as CSV, with commas") from error
    header = tuple(lines[0][1]) if lines else ()
    if len({name.strip() for name in header}) < len(header):
        raise VeraError(f"{what} has two columns of the same name ({shown(', '.join(header))}): rename one")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise VeraError(f"{what}, line {line}: has not as many cells as the header")
    return Table(header, [(line, dict(zip(header, cells, strict=True))) for line, cells in lines[1:]])


def read_json_lines(
    path: str | Path, *, what: str, whole: bool = False, mend: str = FETCH, limit: int = LINES_LIMIT
) -> list[dict[str, Any]]:
    """The mappings of a file with one JSON value a line; empty lines do no harm.

    Args:
        path: path of the file, UTF-8.
        what: its name in messages.
        whole: leave out what follows the last newline: the beginning of a line whose writer was killed.
        mend: advice where a line is damaged.
        limit: most bytes that are read.

    Raises:
        VeraError: see :func:`read_bytes` and :func:`parse_json`; a line is no mapping.

    """
    values = []
    content = read_bytes(path, limit=limit, what=what)
    for number, line in enumerate((content.rpartition(b"\n")[0] if whole else content).split(b"\n"), start=1):
        if line.strip():
            value = parse_json(line, what=f"{what}, line {number}", mend=mend)
            if not isinstance(value, dict):
                raise VeraError(f"{what}, line {number} is damaged: it is no mapping; {mend}")
            values.append(value)
    return values


def read_arrays(path: str | Path, *, what: str, limit: int = ARRAYS_LIMIT) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file that ``numpy.savez`` wrote: numbers and texts. Numbers may be NaN, where there was nothing to measure.

    Args:
        path: path of the file.
        what: its name in messages.
        limit: most bytes of all arrays, unpacked.

    Raises:
        VeraError: it is missing, too large, damaged, or holds arrays of other kinds.

    """
    content = io.BytesIO(read_bytes(path, limit=limit, what=what))
    try:
        with zipfile.ZipFile(content) as archive:
            if sum(part.file_size for part in archive.infolist()) > limit:
                raise VeraError(f"{what} unpacks to more than {limit:,} bytes: it was not written by VerA")
            return {part.filename.removesuffix(".npy"): _array(archive, part) for part in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, TypeError) as error:
        raise VeraError(f"{what} is damaged, or no file of arrays: make it anew") from error


def _array(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """One array, of no more bytes than the archive says of it.

    Raises:
        ValueError: it is none, or has another number of bytes than its header asks for.

    """
    with archive.open(part) as file:
        version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read_header is None:
            raise ValueError(f"numpy's format {version}")
        shape, columns_first, dtype = read_header(file)  # type: ignore[no-untyped-call]
        if dtype.kind not in ARRAYS:
            raise ValueError(f"an array of the kind {dtype}")
        data = file.read(part.file_size)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for an array of {shape}")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if columns_first else "C").copy()


def damaged_part(path: str | Path) -> str | None:
    """Look for a part of a zip archive whose bytes do not have its checksum; torch reads checkpoints without looking.

    Args:
        path: path of the archive.

    Returns:
        Name of the first such part, as a message may repeat it; None where there is none, and for a file that is no archive.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.testzip()
            return None if found is None else shown(found)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
        return None  # whoever reads it will say so


def read_json(path: str | Path, *, what: str, limit: int = JSON_LIMIT, depth: int = JSON_DEPTH, follow: bool = True) -> Any:
    """A JSON file's value; see :func:`read_bytes` and :func:`parse_json`.

    Raises:
        VeraError: see :func:`read_bytes` and :func:`parse_json`.

    """
    return parse_json(read_bytes(path, limit=limit, what=what, follow=follow), what=what, depth=depth)


def parse_json(content: bytes, *, what: str, depth: int = JSON_DEPTH, mend: str = FETCH) -> Any:
    """A JSON text's value, of plain types only.

    Args:
        content: bytes of a JSON text in UTF-8.
        what: the text's name in messages.
        depth: most levels of nesting.
        mend: advice where it is damaged.

    Raises:
        VeraError: it is no JSON, nested deeper, or has a number that is not finite or a text that is no Unicode.

    """
    try:
        value = json.loads(content.decode("utf-8"))
        require_plain(value, what=what, depth=depth)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair could not be written again
    except RecursionError as error:
        raise VeraError(f"{what} is nested too deeply: it was not written by VerA") from error
    except ValueError as error:  # also for bytes that are no UTF-8, and for integers of thousands of digits
        raise VeraError(f"{what} is damaged: it is no valid JSON; {mend}") from error
    return value


def require_plain(value: Any, *, what: str, depth: int = JSON_DEPTH) -> None:
    """Raise a VeraError unless a value has JSON's types only, finite numbers, and no more than so many levels of nesting."""
    waiting = [(value, 1)]
    while waiting:
        item, level = waiting.pop()
        if level > depth:
            raise VeraError(f"{what} is nested deeper than {depth} levels: it was not written by VerA")
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise VeraError(f"{what} has a key that is no text: it was not written by VerA")
            waiting += [(part, level + 1) for part in item.values()]
        elif isinstance(item, list):
            waiting += [(part, level + 1) for part in item]
        elif isinstance(item, float) and not math.isfinite(item):
            raise VeraError(f"{what} holds a number that is not finite: it was not written by VerA")
        elif item is not None and not isinstance(item, str | int | float):
            raise VeraError(f"{what} holds a {type(item).__name__}: only texts, numbers, lists and mappings are read")


def field(record: Any, name: str, kind: type[T], *, what: str) -> T:
    """A field of a record, if it is there and of this type (``int`` does not take true and false).

    Raises:
        VeraError: the record is no mapping, or the field is missing or of another type.

    """
    if not isinstance(record, Mapping) or name not in record:
        raise VeraError(f"{what} has no field '{name}': fetch the file again, or make it anew")
    value = record[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise VeraError(f"{what}: the field '{name}' is a {type(value).__name__}, not a {kind.__name__}; fetch the file again")
    return value


def number(facts: Mapping[str, str], name: str, kind: type[N], low: float, high: float, *, what: str) -> N:
    """A number that a file's metadata gives as text.

    Args:
        facts: metadata of a file, all values as text.
        name: name of the number in the metadata.
        kind: type of the number: int or float.
        low: smallest value that is allowed.
        high: largest value that is allowed.
        what: the file's name in messages.

    Raises:
        VeraError: it is missing, no such number, or outside.

    """
    try:
        value = kind(facts[name])
    except (KeyError, ValueError) as error:
        raise VeraError(f"{what} does not say its {name}: it is damaged, or was not written by VerA") from error
    if not low <= value <= high:
        raise VeraError(f"{what} has a {name} of {shown(value)}, outside {low} to {high}: it is damaged, or was not written by VerA")
    return value


def read_tensors(path: str | Path, *, what: str, names: Iterable[str] | None = None, limit: int = TENSORS_LIMIT) -> TensorFile:
    """A safetensors file's tensors and texts.

    Args:
        path: path of the safetensors file.
        what: its name in messages.
        names: names of the tensors that must be there, and no others; None for any.
        limit: most bytes of the file, and so of the tensors.

    Raises:
        VeraError: the file is missing, too large, damaged, holds other tensors, or numbers that are not finite.

    """
    from safetensors import SafetensorError, safe_open  # here, as torch below: who reads texts waits for neither

    path = Path(path)
    try:
        if not path.is_file():
            raise VeraError(f"{what} is missing, or is no regular file: check the path")
        if path.stat().st_size > limit:
            raise VeraError(f"{what} is larger than {limit:,} bytes: it was not written by VerA")
        with safe_open(str(path), framework="pt") as file:  # type: ignore[no-untyped-call]
            found = list(file.keys())
            if names is not None and set(found) != set(names):
                raise VeraError(f"{what} holds {shown(', '.join(sorted(found)))}, not {', '.join(sorted(names))}")
            tensors = {name: file.get_tensor(name) for name in found}
            metadata = dict(file.metadata() or {})
    except (OSError, SafetensorError, ValueError, RuntimeError, KeyError) as error:
        raise VeraError(f"{what} cannot be read: it is damaged, or no file of tensors") from error
    require_finite(tensors, what=what)
    return TensorFile(tensors, metadata)


def require_finite(tensors: Mapping[str, Tensor], *, what: str) -> None:
    """Raise a VeraError if a tensor holds NaN or infinity, or is of a type that VerA does not write (complex, 8-bit floats)."""
    import torch

    for name, tensor in tensors.items():
        if str(tensor.dtype).removeprefix("torch.") not in NUMBERS:
            raise VeraError(f"{what}: '{shown(name)}' holds numbers of the type {tensor.dtype}, which VerA does not write")
        # The sum of a tensor with NaN or infinity is not finite; float64 has room for any sum of the smaller types.
        if tensor.is_floating_point() and not math.isfinite(float(tensor.sum(dtype=torch.float64))):
            raise VeraError(f"{what}: '{shown(name)}' holds numbers that are not finite; fetch the file again, or make it anew")


def shown(text: object) -> str:
    """A foreign text as a message may repeat it: short, on one line, without control characters."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in str(text))
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 3]}..."
