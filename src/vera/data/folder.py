"""A folder of aligned faces with segmentations: ``images/NAME.{jpg,png}`` and ``masks/NAME.png`` (class numbers)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from vera.data.sample import Sample
from vera.types import NUM_CLASSES, VeraError

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
        self.size = size
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
        image_file, mask_file = self.pairs[index]
        side = (self.size, self.size)
        try:
            with Image.open(image_file) as image, Image.open(mask_file) as mask:
                if mask.mode not in ("L", "P"):
                    raise VeraError(f"mask '{mask_file}' is {mask.mode}: it must have one channel of class numbers (L or P)")
                pixels = np.asarray(image.convert("RGB").resize(side, Image.Resampling.LANCZOS))
                labels = np.asarray(mask.resize(side, Image.Resampling.NEAREST))
        except (OSError, UnidentifiedImageError) as error:
            raise VeraError(f"cannot read '{image_file}' or its mask: {error}") from error
        if labels.max() >= NUM_CLASSES:
            raise VeraError(f"mask '{mask_file}' holds class {labels.max()}: class numbers run from 0 to {NUM_CLASSES - 1}")
        return Sample(image=torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous(), labels=torch.from_numpy(labels.copy()))
