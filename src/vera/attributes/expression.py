"""Expression from a segmentation: openings of mouth and eyes, height of the brows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.geometry import frame, part, sharpened
from vera.types import Semantic

NAMES = ("mouth_opening", "mouth_width", "eye_opening", "brow_height")


class SegmentationExpression(AttributeEncoder):
    """Height and width of the mouth (lips included), height of the eyes, height of the brows above them, in eye distances.

    Args:
        ranges: ``[low, high]`` on ordinary faces, for what is to be read of :data:`NAMES`.

    """

    size = None

    def __init__(self, *, ranges: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        self.describe(dict.fromkeys(NAMES, "eye distances"), ranges)

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """``(B, V)``; the image takes no part."""
        segmentations = sharpened(segmentations)
        eyes, mouth, brows = (part(segmentations, [kind]) for kind in (Semantic.EYES, Semantic.MOUTH, Semantic.BROWS))
        head = frame(eyes)
        width, height = head.extents(mouth.covariance).unbind(dim=1)
        raised = -head.turn(brows.centre - eyes.centre)[:, 1]
        return self.chosen(torch.stack([height, width, head.extents(eyes.covariance)[:, 1], raised], dim=1))
