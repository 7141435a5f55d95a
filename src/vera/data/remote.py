"""Files at addresses that fsspec reads (``s3://bucket/people.csv``, ``gs://``, ``https://``; extra ``remote``), for archives and shards.

An address has a path's name and suffix, but is never opened as a path. An address in a table is read with the rights of whoever makes the
call, so it must be of the same kind as the table's own: a table in S3 cannot name files of this machine, and one on a web server only
files of that server.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path, PosixPath
from typing import IO, Any

from vera import files
from vera.types import VeraError

LOCAL, WEB = ("file", "local"), ("http", "https")
"""Kinds of addresses of this machine's files, and of web servers."""
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
PASSWORD = re.compile(r"[^/@]*:[^/@]*@")
"""Beginning of an address that holds a password."""
GONE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""Errors of an address at which there is no file."""
BLOCK = 1 << 20
"""Bytes that are copied at a time."""
AT_ONCE = 64
"""DECISION: files whose beginnings are asked for at the same time: a web server may answer with the whole of each."""


class Address(PosixPath):
    """Address of a file, with the name and suffix of a path; using it as a path on disk raises a TypeError.

    Attributes:
        url: the address, such as ``s3://bucket/people.csv``.

    Examples:
        >>> from vera.data.remote import Address
        >>> photograph = Address("s3://bucket/lists/people.csv").beside("../photographs/a.jpg")
        >>> str(photograph), photograph.stem
        ('s3://bucket/photographs/a.jpg', 'a')

    """

    url: str

    def __new__(cls, url: str) -> Address:
        """An address, which is a path by its name only."""
        self = super().__new__(cls, url)
        self.url = url
        return self

    def __str__(self) -> str:
        return self.url

    def __fspath__(self) -> str:
        raise TypeError(f"{self.url} is not on disk")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[type[Address], tuple[str]]:
        return Address, (self.url,)

    def __truediv__(self, name: str | os.PathLike[str]) -> Address:
        return Address(f"{self.url.rstrip('/')}/{name}")

    @property
    def scheme(self) -> str:
        """The kind of address: the word before ``://``, in small letters."""
        return self.url.partition("://")[0].lower()

    def beside(self, cell: str) -> Address:
        """The address that a cell of a table at this address means: an address of the same kind, or a path relative to the table.

        Raises:
            VeraError: an address of another kind or web server, or one that is not allowed (:func:`check_address`).

        """
        if SCHEME.fullmatch(cell):
            other = Address(cell)
        else:
            scheme, _, rest = self.url.partition("://")
            joined = posixpath.join(posixpath.dirname(rest), cell)
            other = Address(f"{scheme}://{posixpath.normpath(joined) if '..' in cell.split('/') else joined}")
        check_address(other)
        if other.scheme != self.scheme:
            raise VeraError(f"an address of {other.scheme}:// in a table of {self.scheme}://: use the table's kind of address")
        if self.scheme in WEB and _host(other) != _host(self):
            raise VeraError("an address of another web server than the table's: copy the files to one server")
        return other


def place(text: str) -> Path:
    """The address or the path that a text means."""
    return Address(text) if SCHEME.fullmatch(text) else Path(text)


def check_address(address: Address) -> None:
    """Check an address by its text alone; what is wrong with it is not repeated, since it may be a secret.

    Raises:
        VeraError: it holds a password, a query, or a chain of addresses.

    """
    rest = address.url.partition("://")[2]
    if PASSWORD.match(rest) or "::" in address.url or (address.scheme in WEB and "?" in rest):
        raise VeraError(
            f"an address of {address.scheme}:// with a password, a query (?) or a chain (::): give credentials as its fsspec package says"
        )


def require(path: Path) -> None:
    """Check that an address can be read here, before any work; nothing is fetched. A path needs nothing.

    Raises:
        VeraError: fsspec is not installed, or not the package for this kind of address, or the address is not allowed.

    """
    if isinstance(path, Address):
        check_address(path)
        _system(path)


@contextlib.contextmanager
def on_disk(table: Path) -> Iterator[Path]:
    """Context of a table on disk: the table itself, or a copy in a folder of this user only, which is removed at the end.

    Args:
        table: path or address of the table; a VeraError about the copy names the address instead.

    Raises:
        VeraError: it can't be fetched.

    """
    if not isinstance(table, Address):
        yield table
        return
    with tempfile.TemporaryDirectory(prefix="vera-") as folder:
        copy = Path(folder, "table")
        if not fetch(table, copy):
            raise VeraError(f"{shown(table)} is not there: check the address")
        try:
            yield copy
        except VeraError as error:
            if str(copy) not in str(error):
                raise
            raise VeraError(str(error).replace(str(copy), shown(table))) from error


def fetch(address: Address, target: Path, *, most: int | None = None) -> bool:
    """Copy what is at an address into a new file.

    Args:
        address: address of a file.
        target: path of the new file, whose folder is there.
        most: largest number of bytes; None sets no limit.

    Returns:
        Whether there was a file; without one none is made.

    Raises:
        VeraError: it can't be read, or is larger.

    """
    copied = 0
    try:
        with _opened(address) as source, target.open("xb") as file:
            while block := source.read(BLOCK):
                copied += file.write(block)
                if most is not None and copied > most:
                    raise VeraError(f"{shown(address)} is larger than {most // 2**20} MiB, too large for a photograph")
    except GONE:
        target.unlink(missing_ok=True)  # some file systems only say so when they read
        return False
    except PermissionError as error:
        raise VeraError(f"{shown(address)} can't be read (Permission denied): check its permissions and your credentials") from error
    return True


def digest(path: Path) -> str | None:
    """SHA-256 of a file's bytes, on disk or at an address; None for a file that is not there, or may not be read.

    Raises:
        VeraError: an address does not answer.

    """
    if not isinstance(path, Address):
        return files.digest(path)
    known = hashlib.sha256()
    try:
        with _opened(path) as source:
            while block := source.read(BLOCK):
                known.update(block)
    except (*GONE, PermissionError):
        return None
    return known.hexdigest()


def first_bytes(addresses: Sequence[Address], count: int) -> dict[Address, bytes]:
    """The first bytes of files, asked for at the same time where fsspec can; none of a file that is not there, or may not be read.

    Args:
        addresses: addresses of the files.
        count: number of bytes of each.

    Raises:
        VeraError: an address does not answer.

    """
    systems: dict[Any, list[tuple[Address, str]]] = {}
    for address in dict.fromkeys(addresses):
        system, name = _system(address)
        systems.setdefault(system, []).append((address, name))
    found = {}
    for system, asked in systems.items():
        for at in range(0, len(asked), AT_ONCE):
            names = [name for _, name in asked[at : at + AT_ONCE]]
            answers = system.cat_ranges(names, [0] * len(names), [count] * len(names), on_error="return")
            for (address, _), answer in zip(asked[at : at + AT_ONCE], answers, strict=True):
                found[address] = bytes(answer[:count]) if isinstance(answer, bytes) else _beginning(address, count)
    return found


def parts_of(address: Address, parts: Sequence[tuple[int, int]]) -> list[bytes]:
    """Parts of a file, asked for at the same time where fsspec can.

    Args:
        address: address of the file.
        parts: offset and number of bytes of each; what lies behind the file's end is left out.

    Raises:
        OSError: there is no file, or it may not be read.
        VeraError: the address does not answer, or with the whole file.

    """
    with _one_sentence(address):
        system, name = _system(address)
        starts, ends = [start for start, _ in parts], [start + count for start, count in parts]
        found = [bytes(part) for part in system.cat_ranges([name] * len(parts), starts, ends, on_error="raise")]
        if any(len(part) > count for part, (_, count) in zip(found, parts, strict=True)):
            raise VeraError(f"{shown(address)}: its server gives no parts of files: copy the folder to a disk, or to another server")
        return found


def size_of(address: Address) -> int:
    """Number of a file's bytes.

    Raises:
        OSError: there is no file, or it may not be read.
        VeraError: the address does not answer.

    """
    with _one_sentence(address):
        system, name = _system(address)
        return int(system.size(name))


def paths_of(places: Iterable[Path]) -> list[Path]:
    """The paths on this machine among paths and addresses: also those that addresses such as ``file://`` stand for."""
    found = []
    for path in places:
        if not isinstance(path, Address):
            found.append(path)
        elif path.scheme in LOCAL:
            found.append(Path(_system(path)[1]))
    return found


def shown(path: Path | str) -> str:
    """Format a path or an address for a message: one line, whatever its name holds."""
    return files.printable(str(path))


def _beginning(address: Address, count: int) -> bytes:
    """The first bytes of one file, where its part alone was not answered: an empty file has none, and some servers know no parts."""
    try:
        with _opened(address) as source:
            return source.read(count)
    except (*GONE, PermissionError):
        return b""


@contextlib.contextmanager
def _opened(address: Address) -> Iterator[IO[bytes]]:
    """Context of an open file; see :func:`_one_sentence`."""
    with _one_sentence(address):
        system, name = _system(address)
        with system.open(name, "rb") as file:
            yield file


@contextlib.contextmanager
def _one_sentence(address: Address) -> Iterator[None]:
    """Context in which errors of the many libraries behind fsspec become one sentence, but for those of a missing file."""
    try:
        yield
    except (VeraError, *GONE, PermissionError):
        raise
    except Exception as error:  # botocore's, aiohttp's, ...
        said = files.printable(" ".join(str(error).split())) or type(error).__name__
        raise VeraError(f"{shown(address)} can't be read ({said}): check the address, the network and your credentials") from error


def _system(address: Address) -> tuple[Any, str]:
    """The file system of an address, and the file's name there."""
    if find_spec("fsspec") is None:
        raise VeraError(f"{shown(address)}: fsspec is not installed: run `pip install 'vera-anonymization[remote]'`")
    from fsspec.core import url_to_fs

    try:
        system, name = url_to_fs(address.url)
    except (ImportError, ValueError) as error:
        said = " ".join(str(error).split())
        raise VeraError(
            f"{shown(address)}: fsspec can't read {address.scheme}:// here ({said}): install its package, such as s3fs for S3"
        ) from error
    return system, str(name)


def _host(address: Address) -> str:
    return address.url.partition("://")[2].partition("/")[0].lower()
