"""Read untrusted files safely: size, nesting, types and numbers are checked before anything uses them.

Bundles, identities and audits travel between machines. Each reader names the file and what is wrong in one sentence
(:class:`vera.types.VeraError`); nothing here runs, imports or allocates what a file asks for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vera.types import VeraError

JSON_LIMIT, JSON_DEPTH = 4 << 20, 32
"""DECISION: bytes and levels of nesting of a JSON file. Records of VerA have some kilobytes and five levels."""
TENSORS_LIMIT = 4 << 30
"""DECISION: bytes of a file of tensors; the largest networks of the method have some 300 MB."""
NUMBERS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)
"""Types of tensors that are read."""
SHOWN = 80
"""Characters of a foreign text that a message repeats."""
T = TypeVar("T")
N = TypeVar("N", int, float)


class TensorFile(NamedTuple):
    """Content of a safetensors file.

    Attributes:
        tensors: by name, on the CPU; all numbers are finite.
        metadata: its texts.

    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_bytes(path: str | Path, *, limit: int, what: str) -> bytes:
    """A file's content, once it is known to be small enough.

    Args:
        path: path of a regular file.
        limit: most bytes that are read.
        what: the file's name in messages, for example ``bundle 'x': bundle.json``.

    Raises:
        VeraError: it is missing, no regular file, too large, or can't be read.

    """
    path = Path(path)
    try:
        if not path.is_file():  # a pipe or a device would never end
            raise VeraError(f"{what} is missing, or is no regular file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise VeraError(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > limit:
        raise VeraError(f"{what} is larger than {limit:,} bytes: it was not written by VerA")
    return content


def read_json(path: str | Path, *, what: str, limit: int = JSON_LIMIT, depth: int = JSON_DEPTH) -> Any:
    """A JSON file's value; see :func:`parse_json`.

    Raises:
        VeraError: see :func:`read_bytes` and :func:`parse_json`.

    """
    return parse_json(read_bytes(path, limit=limit, what=what), what=what, depth=depth)


def parse_json(content: bytes, *, what: str, depth: int = JSON_DEPTH) -> Any:
    """A JSON text's value, of plain types only.

    Args:
        content: bytes of a JSON text in UTF-8.
        what: the text's name in messages.
        depth: most levels of nesting.

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
        raise VeraError(f"{what} is damaged: it is no valid JSON; fetch the file again") from error
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
    path = Path(path)
    try:
        if not path.is_file():
            raise VeraError(f"{what} is missing, or is no regular file")
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
    for name, tensor in tensors.items():
        if tensor.dtype not in NUMBERS:
            raise VeraError(f"{what}: '{shown(name)}' holds numbers of the type {tensor.dtype}, which VerA does not write")
        # The sum of a tensor with NaN or infinity is not finite; float64 has room for any sum of the smaller types.
        if tensor.is_floating_point() and not math.isfinite(float(tensor.sum(dtype=torch.float64))):
            raise VeraError(f"{what}: '{shown(name)}' holds numbers that are not finite; fetch the file again, or make it anew")


def shown(text: object) -> str:
    """A foreign text as a message may repeat it: short, on one line, without control characters."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in str(text))
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 3]}..."
