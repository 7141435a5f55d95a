"""Index of faces in tar files of WebDataset's layout: ``KEY.jpg|png|webp`` and ``KEY.mask.png``, one after the other.

Training asks for faces by number, in any order (:mod:`vera.data.stream`), and a tar file has no table of contents: its headers are read
once, by ``vera data pack`` when it writes the files, or when a folder without an index is opened.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from vera.data.remote import Address, check_address, parts_of, size_of
from vera.files import write_whole
from vera.types import VeraError
from vera.untrusted import field, parse_json, read_json, shown

INDEX = "index.json"
IMAGES, MASK = {"jpg", "jpeg", "png", "webp"}, "mask.png"
NAME = re.compile(r"(?P<key>(?:.*/)?[^./]+)\.(?P<kind>[^/]+)")
"""WebDataset's: the key ends at the first dot of the file's name."""
BLOCK = tarfile.BLOCKSIZE
SHARD = re.compile(r"[^/]+\.tar")
"""Names of shards in an index whose folder can't be listed."""
LARGEST = 1 << 28
"""DECISION: bytes of an index; of a million faces it has a third."""


class Place(NamedTuple):
    """One face in its shard; all but the name counted in bytes from the shard's beginning."""

    name: str
    """of the image."""
    image: int
    image_bytes: int
    mask: int
    mask_bytes: int


@dataclass(frozen=True)
class Shard:
    """One tar file, its size in bytes, and the faces in their order."""

    path: Path
    size: int
    faces: tuple[Place, ...]


def read_index(root: Path) -> list[Shard]:
    """The shards of a folder in the order of their names, from its index if it has one.

    Args:
        root: the folder; at an address it must have an index, since its shards are not read as a whole.

    Raises:
        VeraError: no shards, an index that is damaged or of other shards, and what :func:`scan` raises.

    """
    if isinstance(root, Address):
        return _read_index_at(root)
    paths = sorted(root.glob("*.tar"))
    if not paths:
        raise VeraError(f"no .tar file in '{root}': give the folder of the shards (data.root=...), or make them with vera data pack")
    index = root / INDEX
    if not index.is_file():
        return [scan(path) for path in paths]
    again = f"copy the shards again, or remove '{index}' if they were changed on purpose"
    try:
        shards = _shards(read_json(index, what=f"'{index}'", limit=LARGEST), root)
    except (ValueError, TypeError, VeraError) as error:
        raise VeraError(f"'{index}' cannot be read as an index of shards: {again}") from error
    names = [shard.path.name for shard in shards]
    if [path.name for path in paths] != names:
        differing = min({path.name for path in paths} ^ set(names), default="their order")
        raise VeraError(f"'{root}' and its index do not hold the same shards ({differing}): {again}")
    for shard in shards:
        if shard.path.stat().st_size != shard.size:
            raise VeraError(f"'{shard.path}' has {shard.path.stat().st_size} bytes, its index says {shard.size}: {again}")
    return shards


def _read_index_at(root: Address) -> list[Shard]:
    """The shards of a folder at an address, by its index; each is asked for its size.

    Raises:
        VeraError: no index, one that is damaged or of other shards, or the address does not answer.

    """
    check_address(root)
    index = root / INDEX
    try:
        (content,) = parts_of(index, [(0, LARGEST)])
    except OSError as error:
        raise VeraError(f"no index at '{index}': make the shards with vera data pack, and copy its whole folder") from error
    again = "copy the whole folder of the shards again"
    try:
        shards = _shards(parse_json(content, what=f"'{index}'"), root)
    except (ValueError, TypeError, VeraError) as error:
        raise VeraError(f"'{index}' cannot be read as an index of shards: {again}") from error
    for shard in shards:
        try:
            size = size_of(cast("Address", shard.path))
        except OSError as error:
            raise VeraError(f"no shard at '{shard.path}', which the index names: {again}") from error
        if size != shard.size:
            raise VeraError(f"'{shard.path}' has {size} bytes, its index says {shard.size}: {again}")
    return shards


def _shards(listed: Any, root: Path) -> list[Shard]:
    """The shards of an index; their names are names alone, without a folder.

    Raises:
        ValueError: the index says something else, as a TypeError or VeraError may say, too.

    """
    what = f"'{root / INDEX}'"
    entries = {field(entry, "name", str, what=what): entry for entry in listed}
    if others := [name for name in entries if not SHARD.fullmatch(name) or "::" in name]:
        raise ValueError(f"{shown(others[0])} is no shard's name")
    return [
        Shard(root / name, size, tuple(_place(face, size) for face in field(entry, "faces", list, what=what)))
        for name, entry in entries.items()
        for size in [field(entry, "bytes", int, what=what)]
    ]


def _place(face: Any, size: int) -> Place:
    """A face's place in a shard of so many bytes, as the index says.

    Raises:
        ValueError: it says something else, or a place outside.

    """
    place = Place(*face)
    if not isinstance(place.name, str) or not all(type(count) is int and count >= 0 for count in place[1:]):
        raise ValueError(f"{shown(face)} is no face's place")
    if max(place.image + place.image_bytes, place.mask + place.mask_bytes) > size:
        raise ValueError(f"{shown(place.name)} lies outside of its shard")
    return place


def write_index(shards: Iterable[Shard], root: Path) -> None:
    """Write the index of a folder's shards."""
    entries = [{"name": shard.path.name, "bytes": shard.size, "faces": shard.faces} for shard in shards]
    write_whole(root / INDEX, json.dumps(entries).encode())


def scan(path: Path) -> Shard:
    """Read the headers of a whole shard; members of other kinds (``KEY.json``) are passed over.

    Raises:
        VeraError: for what is not a complete tar file, and faces without a mask or an image, or with two.

    """
    parts: dict[str, dict[str, tarfile.TarInfo]] = {}
    end = 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                end = member.offset_data + (-(-member.size // BLOCK) * BLOCK if member.isreg() else 0)
                if part := _part_of_a_face(member):
                    key, kind = part
                    if kind in parts.setdefault(key, {}):
                        raise VeraError(f"'{path}' holds two {kind}s of '{key}': give each face a name of its own")
                    parts[key][kind] = member
        # What tarfile cannot read it takes for the end; the end of a whole archive is a block of zeros.
        with path.open("rb") as file:
            file.seek(end)
            if file.read(BLOCK) != bytes(BLOCK):
                raise tarfile.ReadError(f"damaged or cut off at byte {end}")
    except (tarfile.TarError, OSError) as error:
        raise VeraError(f"'{path}' is not a complete tar file ({error}): copy it or pack it again") from error
    for key, found in parts.items():
        for missing in {"image", "mask"} - set(found):
            raise VeraError(f"'{key}' has no {missing} in '{path}': the layout is KEY.jpg|png|webp and KEY.{MASK}, in one shard")
    pairs = ((found["image"], found["mask"]) for found in parts.values())
    faces = tuple(Place(image.name, image.offset_data, image.size, mask.offset_data, mask.size) for image, mask in pairs)
    return Shard(path, path.stat().st_size, faces)


def _part_of_a_face(member: tarfile.TarInfo) -> tuple[str, str] | None:
    """A member's key, and ``image`` or ``mask``; None for what is neither."""
    match = NAME.fullmatch(member.name)
    if not match or not member.isreg():
        return None
    kind = match["kind"].lower()
    return (match["key"], "mask" if kind == MASK else "image") if kind in IMAGES | {MASK} else None
