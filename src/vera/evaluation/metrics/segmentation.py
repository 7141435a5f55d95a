"""Segmentation consistency: does a parser see in an image the classes that it was meant to show?"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import multiclass_confusion_matrix

from vera.faces.parsing import Parser
from vera.types import NUM_CLASSES, AlignedFace, Semantic, VeraError


class SegmentationConsistency(Metric):
    """Agreement of a parser's segmentation of an image with a given one, from one confusion matrix over all pixels.

    Args:
        parser: parser that segments the image anew.

    """

    higher_is_better = True
    full_state_update = False
    confusion: Tensor

    def __init__(self, parser: Parser, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parser = parser
        self.add_state("confusion", torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, face: AlignedFace, given: Float[Tensor, "k s s"]) -> None:
        """Add one image with class probabilities of its size (:func:`vera.types.to_probabilities` of a generator's segmentation).

        Raises:
            VeraError: a segmentation of another size.

        """
        if tuple(given.shape) != (NUM_CLASSES, face.size, face.size):
            raise VeraError(f"the segmentation is {tuple(given.shape)}, its image {face.size} pixels wide: resize one of them")
        seen = self.parser.parse(face).argmax(dim=0).to(self.device)
        meant = given.argmax(dim=0).to(self.device)
        self.confusion = self.confusion + multiclass_confusion_matrix(seen, meant, num_classes=NUM_CLASSES)

    def compute(self) -> dict[str, Any]:
        """Compute accuracy and IoU, see :func:`agreement`.

        Raises:
            VeraError: no image was given.

        """
        if not self.confusion.sum():
            raise VeraError("segmentation consistency needs at least one image")
        return agreement(self.confusion)


def agreement(confusion: Int[Tensor, "k k"]) -> dict[str, Any]:
    """``pixel_accuracy``, ``iou`` of each class that is on either side (None for the others), and their mean.

    Args:
        confusion: pixels by the class on one side and on the other; not all zero.

    """
    counts = confusion.cpu().double()
    both = counts.diag()
    either = counts.sum(dim=0) + counts.sum(dim=1) - both
    iou = {known.name.lower(): float(both[known] / either[known]) if either[known] else None for known in Semantic}
    present = [value for value in iou.values() if value is not None]
    return {"mean_iou": sum(present) / len(present), "pixel_accuracy": float(both.sum() / counts.sum()), "iou": iou}
