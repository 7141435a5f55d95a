"""How near an inversion comes, by measures that took no part in training or refinement, beside the generator's own segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import Cases
from methods import Made
from rich.progress import track
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

from vera.evaluation.judges import Observation, Observer, dlib_judge
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.preservation import LpipsDistance
from vera.evaluation.metrics.segmentation import agreement
from vera.faces.parser_choice import choose_parser
from vera.faces.photograph import photograph_from_pixels
from vera.features.lpips_network import LpipsNetwork
from vera.inversion.objective import code_distance
from vera.types import NUM_CLASSES, AlignedFace, LatentCodes, VeraError, tensor_to_image

SIDE = 256
"""DECISION: everything is judged this large."""
EIGHT = ("background", "skin", "eyes", "brows", "mouth", "nose", "hair", "neck")
"""DECISION: the classes that a mean IoU is over, as for the parser itself: those that every face shows. Of the others (a hem of clothing,
an earring) a face may hold twenty pixels, and a mean over all classes would be about these."""


class Judging:
    """Looks at the faces once, and at each method's inversions of them.

    Args:
        cases: the faces.
        parser: name of the parser that looks at the inversions.
        lpips: AlexNet's torchvision file; None: LPIPS is not measured, and the result says so.

    """

    def __init__(self, cases: Cases, *, parser: str, lpips: Path | None) -> None:
        self.cases, self.parser = cases, choose_parser(parser)
        self.lpips = LpipsNetwork("alex", lpips) if lpips else None
        if self.lpips is not None and self.lpips.name != "lpips_alex":
            raise VeraError(f"--lpips {lpips}: this is not the published file of torchvision's AlexNet")
        self.judge = dlib_judge()
        self.observe = Observer([self.judge.detector], [self.judge.recogniser])
        self.truth = shown(cases.images)
        self.seen = [self._look(image) for image in track(self.truth, "faces")]

    def __call__(self, made: Made) -> dict[str, Any]:
        """One row of the table."""
        images = shown(made.images)
        labels = self.cases.segmentations.argmax(dim=1)
        own, parsed = (torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.long) for _ in range(2))
        attributes, distances, found = AttributePreservation(), [], 0
        for n, (image, before) in enumerate(zip(images, self.seen, strict=True)):
            own += multiclass_confusion_matrix(made.segmentations[n].argmax(dim=0), labels[n], num_classes=NUM_CLASSES)
            if not before.usable:
                continue
            after = self._look(image, before)
            parsed += self._parsed(image, after, n)
            there = after.found[self.judge.detector.name]
            found += there
            name = self.judge.recogniser.name
            distances.append(self.judge.recogniser.distance(before.embeddings[name], after.embeddings[name]))
            if there:
                attributes.update(before.landmarks, after.landmarks, size=(SIDE, SIDE))
        lpips = None
        if self.lpips is not None:
            metric = LpipsDistance(self.lpips)
            metric.update(images, self.truth)
            lpips = float(metric.compute())
        pose = attributes.compute() if found else {"pose_degrees": None, "expression": {}}
        expression = [value["mean_difference"] for value in pose["expression"].values()]
        return rounded(
            {
                "source": self.cases.source,
                "faces": len(images),
                "method": made.method,
                "segmentation_loss": made.segmentation_loss,
                "pixel": float((images - self.truth).abs().mean() / 2),
                "ms_ssim": float(ms_ssim((images + 1) / 2, (self.truth + 1) / 2, data_range=1.0)),
                "lpips_alex": lpips if self.lpips is not None else "not measured: give the weights with --lpips",
                "segmentation_parsed": overlap(parsed) if int(parsed.sum()) else None,
                "segmentation_own": overlap(own),
                "face_found": found / len(distances) if distances else None,
                "identity_distance": float(np.mean(distances)) if distances else None,
                "pose_degrees": pose["pose_degrees"],
                "expression_eye_distances": float(np.mean(expression)) if expression else None,
                "codes": self._codes(made),
                "seconds": made.seconds,
                "batch": made.batch,
            }
        )

    def _look(self, image: Tensor, source: Observation | None = None) -> Observation:
        return self.observe(photograph_from_pixels(tensor_to_image(image), "face"), place=source.landmarks if source else None)

    def _parsed(self, image: Tensor, seen_there: Observation, number: int) -> Tensor:
        """What the parser sees in the inversion against what it sees in the face: its own mistakes are on both sides."""
        there, wanted = self._parse(image, seen_there), self._parse(self.truth[number], self.seen[number])
        return multiclass_confusion_matrix(there, wanted, num_classes=NUM_CLASSES)

    def _parse(self, image: Tensor, seen: Observation) -> Tensor:
        try:
            return self.parser.parse(AlignedFace(image=image, to_photograph=np.eye(3)[:2], landmarks=seen.landmarks)).argmax(dim=0)
        except VeraError:  # nothing that it takes for skin: all of it is wrong
            return torch.zeros(SIDE, SIDE, dtype=torch.long)

    def _codes(self, made: Made) -> float | None:
        if self.cases.true is None:
            return None
        nothing = made.codes.new_zeros(len(made.codes), 0)
        found, true = LatentCodes(made.codes, nothing), LatentCodes(self.cases.true, nothing)
        return float(code_distance(found, true, self.cases.segmentations).mean())


def overlap(confusion: Tensor) -> dict[str, Any]:
    """IoU of each class, and the mean over :data:`EIGHT`."""
    found = agreement(confusion)
    there = [found["iou"][name] for name in EIGHT if found["iou"][name] is not None]
    return {"mean_iou": float(np.mean(there)), "pixel_accuracy": found["pixel_accuracy"], "iou": found["iou"]}


def shown(images: Tensor) -> Tensor:
    """At :data:`SIDE`, in [-1, 1]."""
    if images.shape[-1] != SIDE:
        images = interpolate(images, (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True)
    return images.clamp(-1, 1)


def outlines(segmentation: Tensor) -> np.ndarray:
    """``(S, S)`` bool: the borders between classes, of probabilities or of 2p - 1."""
    labels = segmentation.argmax(dim=0).numpy()
    edges = np.zeros(labels.shape, bool)
    edges[:-1] |= labels[:-1] != labels[1:]
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edges


def rounded(value: Any) -> Any:
    """With four decimals."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value
