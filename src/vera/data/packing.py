"""Packing a folder of faces into tar shards of WebDataset's layout: the files as they are, byte for byte."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from vera.data.shard_index import MASK, scan, write_index
from vera.files import new_folder
from vera.types import VeraError


def pack(pairs: Iterable[tuple[Path, Path]], out: Path, *, shard_size: int) -> int:
    """Write shards and their index.

    The folder appears when all is written: an interrupted packing leaves none. The same files give the same shards.

    Args:
        pairs: image and mask of each face (:attr:`vera.data.folder.FolderDataset.pairs`), in the order that the faces get.
        out: the folder to be made.
        shard_size: faces in a shard.

    Returns:
        Number of faces.

    Raises:
        VeraError: where there is something already, an image's name has a dot in it, or the disk is full.

    """
    if out.exists():
        raise VeraError(f"'{out}' is there already: choose a new folder (--out)")
    try:
        with new_folder(out) as folder:
            _write(pairs, folder, shard_size)
            shards = [scan(path) for path in sorted(folder.iterdir())]
            write_index(shards, folder)
    except OSError as error:
        raise VeraError(f"'{out}' cannot be packed ({error}): check the paths and the space on the disk") from error
    return sum(len(shard.faces) for shard in shards)


def _write(pairs: Iterable[tuple[Path, Path]], folder: Path, shard_size: int) -> None:
    for shard, faces in groupby(enumerate(pairs), key=lambda face: face[0] // shard_size):
        with tarfile.open(folder / f"{shard:06d}.tar", "w") as archive:
            for _, (image, mask) in faces:
                if "." in image.stem:
                    raise VeraError(f"'{image}': in shards a name ends at its first dot; rename the image and its mask")
                _add(archive, image.name, image.read_bytes())
                _add(archive, f"{image.stem}.{MASK}", mask.read_bytes())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar archive without owner and times."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
