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
from typing import Any, NamedTuple

from vera.files import write_whole
from vera.types import VeraError
from vera.untrusted import field, read_json, shown

INDEX = "index.json"
IMAGES, MASK = {"jpg", "jpeg", "png", "webp"}, "mask.png"
NAME = re.compile(r"(?P<key>(?:.*/)?[^./]+)\.(?P<kind>[^/]+)")
"""WebDataset's: the key ends at the first dot of the file's name."""
BLOCK = tarfile.BLOCKSIZE
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

    Raises:
        VeraError: no shards, an index that is damaged or of other shards, and what :func:`scan` raises.

    """
    paths = sorted(root.glob("*.tar"))
    if not paths:
        raise VeraError(f"no .tar file in '{root}': give the folder of the shards (data.root=...), or make them with vera data pack")
    index = root / INDEX
    if not index.is_file():
        return [scan(path) for path in paths]
    again = f"copy the shards again, or remove '{index}' if they were changed on purpose"
    what = f"'{index}'"
    try:
        entries = {field(entry, "name", str, what=what): entry for entry in read_json(index, what=what, limit=LARGEST)}
        shards = [
            Shard(root / name, size, tuple(_place(face, size) for face in field(entry, "faces", list, what=what)))
            for name, entry in entries.items()
            for size in [field(entry, "bytes", int, what=what)]
        ]
    except (ValueError, TypeError, VeraError) as error:
        raise VeraError(f"'{index}' cannot be read as an index of shards: {again}") from error
    if [path.name for path in paths] != list(entries):
        differing = min({path.name for path in paths} ^ set(entries), default="their order")
        raise VeraError(f"'{root}' and its index do not hold the same shards ({differing}): {again}")
    for shard in shards:
        if shard.path.stat().st_size != shard.size:
            raise VeraError(f"'{shard.path}' has {shard.path.stat().st_size} bytes, its index says {shard.size}: {again}")
    return shards


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
