"""The sample type that every data set of faces yields, and its decoding to tensors."""

from __future__ import annotations

from typing import Protocol, TypedDict

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vera.types import NUM_CLASSES


class Sample(TypedDict):
    """One face, as bytes: small enough to keep a data set in memory and to pass between processes.

    ``image``: ``(3, S, S)`` uint8. ``labels``: ``(S, S)`` uint8, class numbers.
    """

    image: Tensor
    labels: Tensor


class FaceDataset(Protocol):
    """A finite set of faces with segmentations."""

    def __len__(self) -> int:
        """Number of faces."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """One face."""
        ...


def decode_images(images: UInt8[Tensor, "b 3 s s"]) -> Float[Tensor, "b 3 s s"]:
    """Convert byte images to floats in [-1, 1], in torch's default type.

    Examples:
        >>> import torch
        >>> from vera.data.sample import decode_images
        >>> decode_images(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).max()
        tensor(1.)

    """
    return images / 127.5 - 1


def decode_labels(labels: UInt8[Tensor, "b s s"]) -> Float[Tensor, "b k s s"]:
    """Convert class numbers to one-hot probabilities, in torch's default type."""
    return F.one_hot(labels.long(), NUM_CLASSES).permute(0, 3, 1, 2).to(torch.get_default_dtype())
