"""A folder of aligned faces with segmentations: ``images/NAME.{jpg,png}`` and ``masks/NAME.png`` (class numbers)."""

from __future__ import annotations

from pathlib import Path

from vera.data.decoding import read_sample
from vera.data.sample import Sample
from vera.types import VeraError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class FolderDataset:
    """Aligned faces on disk; images are resized with antialiasing, masks to the nearest class.

    Args:
        root: folder that holds ``images/`` and ``masks/``.
        size: side S of the samples.
        pattern: glob of the image names to take; ``*`` for all.
        cache: keep decoded samples in memory (4·S² bytes each).

    Raises:
        VeraError: for a missing folder, an image without a mask, or a mask that is not one channel of class numbers.

    """

    def __init__(self, *, root: str | Path, size: int, pattern: str, cache: bool) -> None:
        self.size, self.root = size, Path(root)
        images, masks = Path(root) / "images", Path(root) / "masks"
        for folder in (images, masks):
            if not folder.is_dir():
                raise VeraError(f"no folder '{folder}': the layout is images/NAME.jpg|png and masks/NAME.png (data.root=...)")
        files = sorted(f for f in images.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.match(pattern))
        if not files:
            raise VeraError(f"no .jpg or .png image named '{pattern}' in '{images}'")
        self.pairs = [(f, masks / f"{f.stem}.png") for f in files]
        unmatched = [f.name for f, m in self.pairs if not m.is_file()]
        if unmatched:
            raise VeraError(f"{len(unmatched)} images have no mask in '{masks}', the first is '{unmatched[0]}'")
        self._cache: dict[int, Sample] | None = {} if cache else None

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        """Decode one face (or take it from memory)."""
        if self._cache is None:
            return self._read(index)
        if index not in self._cache:
            self._cache[index] = self._read(index)
        return self._cache[index]

    def _read(self, index: int) -> Sample:
        image, mask = self.pairs[index]
        return read_sample(image, mask, size=self.size, name=f"'{image}'")
