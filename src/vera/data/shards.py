"""Data set of aligned faces with segmentations in tar files, which cluster file systems read better than many small files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vera.data.decoding import read_sample
from vera.data.remote import Address, parts_of, place
from vera.data.sample import Sample
from vera.data.shard_index import read_index
from vera.types import VeraError


class ShardsDataset:
    """Data set of the faces in tar shards, addressed by number in the order of the shards.

    A run goes on at any image after an interruption, so every face is read where it lies, and nothing is kept in a buffer and shuffled.
    The file is opened for each face and closed again: nothing open crosses a fork to a loader process. Image and mask are resized as
    those of :class:`vera.data.folder.FolderDataset`, whose faces, packed, are the same here.

    Args:
        root: folder of the ``.tar`` files, and their index (:mod:`vera.data.shard_index`); on disk, or at an address (extra ``remote``), of
            which each face's bytes alone are fetched.
        size: side S of the samples.
        pattern: glob of the image names to take; ``*`` for all.
        cache: keep decoded samples in memory (4·S² bytes each).

    Raises:
        VeraError: no shards, none of that name, damaged shards, or an index of others.

    """

    def __init__(self, *, root: str | Path, size: int, pattern: str, cache: bool) -> None:
        self.size = size
        self.faces = [
            (shard.path, face) for shard in read_index(place(str(root))) for face in shard.faces if PurePosixPath(face.name).match(pattern)
        ]
        if not self.faces:
            raise VeraError(f"no image named '{pattern}' in the shards of '{root}'")
        self._cache: dict[int, Sample] | None = {} if cache else None

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.faces)

    def __getitem__(self, index: int) -> Sample:
        """Decode one face (or take it from memory).

        Raises:
            VeraError: for a face that is damaged.

        """
        if self._cache is None:
            return self._read(index)
        if index not in self._cache:
            self._cache[index] = self._read(index)
        return self._cache[index]

    def _read(self, index: int) -> Sample:
        path, face = self.faces[index]
        name = f"'{face.name}' in '{path}'"
        try:
            image, mask = map(io.BytesIO, _parts(path, [(face.image, face.image_bytes), (face.mask, face.mask_bytes)]))
        except OSError as error:
            raise VeraError(f"cannot read {name}: {error}") from error
        return read_sample(image, mask, size=self.size, name=name)


def _parts(path: Path, parts: Sequence[tuple[int, int]]) -> list[bytes]:
    """Parts of a shard on disk, or at an address, by offset and number of bytes."""
    if isinstance(path, Address):
        return parts_of(path, parts)
    with path.open("rb") as shard:
        found = []
        for offset, count in parts:
            shard.seek(offset)
            found.append(shard.read(count))
        return found
