"""CelebAMask-HQ as it is downloaded: ``CelebA-HQ-img/N.jpg`` and one mask for each part of a face.

The parts are painted into one mask of the 13 classes as SemanticStyleGAN does (Shi et al., CVPR 2022, section 4.1 and the
published preparation of the data): later parts over earlier ones, and the first 28,000 images for training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vera.data.decoding import decode, to_sample
from vera.data.sample import Sample
from vera.faces.labels import CELEBAMASK
from vera.types import VeraError

IMAGES, MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
FOLDER = 2000
"""Images whose masks share a folder."""
SPLITS = {"train": range(28000), "held_out": range(28000, 30000)}
"""Image numbers N."""


class CelebAMaskHQ:
    """The raw data set; about twenty files are decoded for a face, so a long training reads a packed LMDB instead.

    Args:
        root: folder that holds ``CelebA-HQ-img/`` and ``CelebAMask-HQ-mask-anno/``.
        size: side S of the samples; images are resized by Lanczos from their 1024 pixels, painted masks to the nearest class
            from their 512.
        split: ``train`` (N < 28000) or ``held_out`` (the rest).

    Raises:
        VeraError: for a missing folder, an unknown split, a split without images, or an image without any mask.

    """

    def __init__(self, *, root: str | Path, size: int, split: str) -> None:
        if split not in SPLITS:
            raise VeraError(f"unknown split '{split}': choose from {', '.join(SPLITS)}")
        self.images, self.masks, self.size = Path(root) / IMAGES, Path(root) / MASKS, size
        for folder in (self.images, self.masks):
            if not folder.is_dir():
                raise VeraError(f"no folder '{folder}': give the folder of the unpacked CelebAMask-HQ (data.root=...)")
        numbers = sorted(int(file.stem) for file in self.images.glob("*.jpg") if file.stem.isdecimal())
        self.numbers = [number for number in numbers if number in SPLITS[split]]
        if not self.numbers:
            among = f"{SPLITS[split].start} <= N < {SPLITS[split].stop}"
            raise VeraError(f"no image N.jpg of the split '{split}' ({among}) in '{self.images}': unpack the data set again")
        masked = {(file.parent.name, file.name.partition("_")[0]) for file in self.masks.glob("*/*.png")}
        unmasked = [number for number in self.numbers if (str(number // FOLDER), f"{number:05d}") not in masked]
        if unmasked:
            first = f"the first is {unmasked[0]}.jpg (masks in {unmasked[0] // FOLDER}/)"
            raise VeraError(f"{len(unmasked)} images have no mask file at all in '{self.masks}', {first}: unpack the data set again")

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.numbers)

    def __getitem__(self, index: int) -> Sample:
        """Decode one face; a part without a file is not in the picture.

        Raises:
            VeraError: for an image without any mask, or a file that is damaged.

        """
        number = self.numbers[index]
        file = self.images / f"{number}.jpg"
        return to_sample(decode(file, f"'{file}'"), Image.fromarray(self.paint(number)), size=self.size, name=f"'{file}'")

    def paint(self, number: int) -> npt.NDArray[np.uint8]:
        """The mask of image N, ``(512, 512)`` class numbers.

        Raises:
            VeraError: see :meth:`__getitem__`.

        """
        labels: npt.NDArray[np.uint8] | None = None
        for part, kind in CELEBAMASK.items():
            file = self.masks / str(number // FOLDER) / f"{number:05d}_{part}.png"
            if not file.is_file():
                continue
            drawn = np.asarray(decode(file, f"'{file}'").convert("L"))
            if labels is None:
                labels = np.zeros(drawn.shape, np.uint8)
            if drawn.shape != labels.shape or drawn.max() not in (0, 255):
                raise VeraError(f"'{file}' is not a mask of 0 and 255 in the size of the image's other masks: unpack it again")
            labels[drawn == 255] = kind
        if labels is None:
            raise VeraError(f"image {number}.jpg has no mask file at all in '{self.masks}': unpack the data set again")
        return labels
