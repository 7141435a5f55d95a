"""SemanticStyleGAN's LMDB: ``image-%07d`` JPEG, ``label-%07d`` PNG of class numbers, ``image-length`` and ``label-length``.

One file instead of many thousands: what a network file system likes. :func:`pack` writes it from any data set.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vera.data.decoding import read_sample
from vera.data.sample import Sample
from vera.files import new_folder
from vera.types import VeraError

MAP_SIZE = 1 << 40
"""DECISION: bytes of address space for writing, not of disk: 1 TiB, as the published script takes."""
JPEG_QUALITY = 95
"""DECISION: with full colour resolution; the published script takes 100 with halved colour."""
BATCH = 256
"""DECISION: faces in one write transaction."""


class LMDBDataset:
    """The published LMDB of aligned faces; images are resized by Lanczos, labels to the nearest class.

    The environment is opened for each face and closed again, which costs little next to decoding: an open one must not cross a
    fork to a loader process, and LMDB refuses to open the same one twice in a process.

    Args:
        root: the LMDB: its folder (``data.mdb``, ``lock.mdb``) or its file.
        size: side S of the samples.

    Raises:
        VeraError: where there is no LMDB, it is not one of faces with labels, or the package ``lmdb`` is not installed.

    """

    def __init__(self, *, root: str | Path, size: int) -> None:
        self.root, self.size = Path(root), size
        with reading(self.root) as transaction:
            lengths = [self._length(transaction, kind) for kind in ("image", "label")]
        if lengths[0] != lengths[1] or not lengths[0]:
            raise VeraError(f"'{self.root}' has {lengths[0]} images and {lengths[1]} labels: write it again, each image needs its label")
        self.length = lengths[0]

    def __len__(self) -> int:
        """Number of faces."""
        return self.length

    def __getitem__(self, index: int) -> Sample:
        """Decode one face.

        Raises:
            IndexError: outside the data set.
            VeraError: for a face that is missing or damaged.

        """
        if not 0 <= index < self.length:
            raise IndexError(index)
        with reading(self.root) as transaction:
            image, label = (self._value(transaction, f"{kind}-{index:07d}") for kind in ("image", "label"))
        return read_sample(io.BytesIO(image), io.BytesIO(label), size=self.size, name=f"face {index} of '{self.root}'")

    def _length(self, transaction: Any, kind: str) -> int:
        value = self._value(transaction, f"{kind}-length")
        if not value.isdigit():
            raise VeraError(f"'{self.root}' has no number under '{kind}-length': write it again")
        return int(value)

    def _value(self, transaction: Any, name: str) -> bytes:
        value = transaction.get(name.encode())
        if value is None:
            raise VeraError(f"'{self.root}' has no key '{name}': it is not SemanticStyleGAN's layout, or was not written to its end")
        return bytes(value)


def pack(samples: Iterable[Sample], root: str | Path) -> int:
    """Write faces as an LMDB in the published layout.

    The lengths are written last: an LMDB whose writing was interrupted is refused in reading.

    Args:
        samples: the faces, in their order.
        root: folder of the LMDB to be made.

    Returns:
        Number of faces.

    Raises:
        VeraError: where there is something already, or it can't be written.

    """
    lmdb, root, count = package(), Path(root), 0
    if root.exists():
        raise VeraError(f"'{root}' is there already: choose a new path")
    batch: list[tuple[bytes, bytes]] = []
    try:
        with new_folder(root) as folder, lmdb.open(str(folder), map_size=MAP_SIZE) as environment:
            for count, sample in enumerate(samples, start=1):
                image = encode(sample["image"].permute(1, 2, 0).numpy(), "JPEG", quality=JPEG_QUALITY, subsampling=0)
                label = encode(sample["labels"].numpy(), "PNG")
                batch += [(f"image-{count - 1:07d}".encode(), image), (f"label-{count - 1:07d}".encode(), label)]
                if count % BATCH == 0:
                    write(environment, batch)
                    batch = []
            length = str(count).encode()
            write(environment, [*batch, (b"image-length", length), (b"label-length", length)])
    except (lmdb.Error, OSError) as error:
        raise VeraError(f"'{root}' cannot be written as LMDB ({error}): check the path and the space on the disk") from error
    return count


def write(environment: Any, items: Iterable[tuple[bytes, bytes]]) -> None:
    """Put all items in one transaction."""
    with environment.begin(write=True) as transaction:
        for name, value in items:
            transaction.put(name, value)


def encode(pixels: npt.NDArray[np.uint8], kind: str, **options: int) -> bytes:
    """Encode an array of bytes as JPEG or PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
    return buffer.getvalue()


@contextmanager
def reading(root: Path) -> Iterator[Any]:
    """A read transaction of the LMDB at ``root``.

    Raises:
        VeraError: where there is none.

    """
    lmdb = package()
    if not root.exists():
        raise VeraError(f"no LMDB at '{root}': give its folder or its file (data.root=...)")
    try:
        environment = lmdb.open(str(root), subdir=root.is_dir(), readonly=True, lock=False, readahead=False, meminit=False)
    except lmdb.Error as error:
        raise VeraError(f"'{root}' cannot be opened as LMDB: {error}") from error
    with environment, environment.begin() as transaction:
        yield transaction


def package() -> Any:
    """The package ``lmdb``, which is optional.

    Raises:
        VeraError: if it is not installed.

    """
    try:
        import lmdb
    except ImportError as error:
        raise VeraError("LMDB data need the package 'lmdb': pip install lmdb") from error
    return lmdb
