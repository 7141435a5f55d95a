"""What a bundle is judged by on held-out faces: its samples as a set, one by one, and how well it draws a face again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

from vera.cli.samples import DrawnSample, sampler
from vera.data.folder import FolderDataset
from vera.data.sample import decode_images, decode_labels
from vera.evaluation.judges import Judge, Observer
from vera.evaluation.metrics.base import distances
from vera.evaluation.metrics.discrepancy import KernelDistance
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.segmentation import SegmentationConsistency, agreement
from vera.faces.parsing import Parser
from vera.faces.photograph import photograph_from_pixels
from vera.features.perceptual import PerceptualDistance
from vera.features.pooled import Lite0Features, PooledFeatures
from vera.inversion.autoencoder import Autoencoder
from vera.types import NUM_CLASSES, AlignedFace, Pixels, Points, image_to_tensor, tensor_to_image, to_probabilities

SIDE = 256
"""DECISION: everything is looked at this large; what a bundle draws smaller is enlarged, since that is how it is shown to people."""
SIDES = (128, SIDE)
"""DECISION: sets are compared at both: at 128 px a small bundle is asked for nothing that it cannot draw, at 256 px for what people see."""
SUBSETS, SUBSET = 50, 100
BATCH = 8


def shown(pixels: Pixels, side: int) -> Pixels:
    """A square picture at another side, by Lanczos (antialiased), as the data set is read."""
    return pixels if len(pixels) == side else np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


class Known(PooledFeatures):
    """Stands in for a network whose vectors are there already: Fréchet and kernel distance share one look at each image."""

    def __init__(self, network: PooledFeatures) -> None:
        super().__init__()
        self.name, self.short, self.dimension = network.name, network.short, network.dimension

    def forward(self, images: Tensor) -> Tensor:
        """The vectors, as they are."""
        return images


class Held:
    """Held-out faces.

    Args:
        root: folder with ``images/`` and ``masks/``.
        like: names of the images that samples are compared with.

    """

    def __init__(self, root: Path, like: str) -> None:
        self.root, self.like = root, like
        self.faces = FolderDataset(root=root, size=SIDE, pattern="*", cache=False)
        self.network = Lite0Features()
        chosen = FolderDataset(root=root, size=SIDE, pattern=like, cache=False)
        pictures = [pixels_of(chosen[n]["image"]) for n in range(len(chosen))]
        self.vectors = {side: self.describe([shown(one, side) for one in pictures], f"held out, {side} px") for side in SIDES}

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.faces)

    def chosen(self, count: int) -> list[int]:
        """Numbers of so many faces, evenly spaced."""
        return spaced(len(self), count)

    def training(self, root: Path, count: int) -> dict[str, dict[str, float]]:
        """Distances of so many training images to the held-out ones: what samples would get that are training images."""
        faces = FolderDataset(root=root, size=SIDE, pattern=self.like, cache=False)
        return self.compared([pixels_of(faces[n]["image"]) for n in spaced(len(faces), count)])

    def pictures(self, count: int) -> list[Pixels]:
        """So many faces."""
        return [pixels_of(self.faces[n]["image"]) for n in self.chosen(count)]

    def describe(self, pictures: list[Pixels], what: str) -> Tensor:
        """``(N, D)`` vectors of pictures of one size."""
        parts = [pictures[n : n + BATCH] for n in range(0, len(pictures), BATCH)]
        return torch.cat([self.network(torch.stack([image_to_tensor(one) for one in part])) for part in track(parts, what)])

    def compared(self, pictures: list[Pixels]) -> dict[str, dict[str, float]]:
        """Distances of a set of pictures to the held-out ones, at each of :data:`SIDES`."""
        found = {}
        for side, real in self.vectors.items():
            made = self.describe([shown(one, side) for one in pictures], f"samples, {side} px")
            known = Known(self.network)
            frechet = FrechetDistance(known)
            kernel = KernelDistance(known, subsets=SUBSETS, subset_size=min(SUBSET, len(real), len(made)))
            for metric in (frechet, kernel):
                metric.update(real, real=True)
                metric.update(made, real=False)
            spread = kernel.compute()
            found[str(side)] = {"frechet_lite0": float(frechet.compute()), "kernel_lite0": spread["mean"], "kernel_std": spread["std"]}
        return {side: {name: round(value, 4) for name, value in one.items()} for side, one in found.items()}


def samples(
    network: Any, held: Held, judge: Judge, parser: Parser, *, count: int, parsed: int, seed: int, truncation: float
) -> tuple[list[DrawnSample], dict[str, Any]]:
    """Samples of a bundle, and what is measured on them.

    Args:
        network: with a bank, or a mapping.
        held: what they should look like.
        judge: finds and recognises their faces.
        parser: sees their segmentations.
        count: how many.
        parsed: so many of them go through the parser; so many held-out faces too, for scale.
        seed: of the samples.
        truncation: of the samples.

    """
    draw = sampler(network, seed=seed, truncation=truncation)
    drawn = [draw(number) for number in track(range(count), "samples")]
    observe = Observer([judge.detector], [judge.recogniser])
    pictures = [shown(one.image, SIDE) for one in drawn]
    seen = [observe(photograph_from_pixels(one, "sample")) for one in track(pictures, "faces")]
    found = [one.embeddings[judge.recogniser.name] for one in seen if one.usable]
    between = distances(np.stack(found), np.stack(found), judge.measure)[np.triu_indices(len(found), 1)] if len(found) > 1 else np.zeros(0)
    meant = SegmentationConsistency(parser)
    for face, picture, one in list(zip(seen, pictures, drawn, strict=True))[:parsed]:
        if face.usable:
            labels = np.asarray(Image.fromarray(one.labels).resize((SIDE, SIDE), Image.Resampling.NEAREST))
            meant.update(aligned(picture, face.landmarks), decode_labels(torch.from_numpy(labels.copy())[None])[0])
    return drawn, {
        "samples": count,
        "sets": held.compared([one.image for one in drawn]),
        "face_found": round(len(found) / count, 4),
        "diversity": round(float(between.mean()), 4) if len(between) else None,
        "parser": parser.name,
        "segmentation_consistency": rounded(meant.compute()) if int(meant.confusion.sum()) else None,
        "parser_on_held_out_faces": parser_alone(held, observe, parser, parsed),
    }


def parser_alone(held: Held, observe: Observer, parser: Parser, count: int) -> dict[str, Any] | None:
    """How well the parser agrees with the masks of real images: what a perfect generator could reach."""
    agrees = SegmentationConsistency(parser)
    for number in track(held.chosen(count), "parser"):
        face = held.faces[number]
        picture = pixels_of(face["image"])
        seen = observe(photograph_from_pixels(picture, "held out"))
        if seen.usable:
            agrees.update(aligned(picture, seen.landmarks), decode_labels(face["labels"][None])[0])
    return rounded(agrees.compute()) if int(agrees.confusion.sum()) else None


@torch.no_grad()
def reconstruction(network: Any, held: Held, *, count: int, faces: int) -> tuple[list[Pixels], dict[str, Any] | None]:
    """Held-out faces through encoder and generator, beside what they were; everything at :data:`SIDE`.

    Args:
        network: without an encoder there is nothing to measure.
        held: the faces.
        count: how many are measured.
        faces: how many are given back as pictures.

    """
    if not isinstance(network, Autoencoder):
        return [np.full((SIDE, SIDE, 3), 255, np.uint8)] * faces, None
    given = FolderDataset(root=held.root, size=network.size, pattern="*", cache=False)
    perceptual = PerceptualDistance()
    again: dict[int, Pixels] = {}
    figures: dict[str, list[Tensor]] = {"ms_ssim": [], "perceptual": []}
    confusion = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.long)
    for number in track(sorted({*held.chosen(count), *held.chosen(faces)}), "reconstructions"):
        face, truth = given[number], held.faces[number]
        codes = network.encode(decode_images(face["image"][None]), decode_labels(face["labels"][None]))
        synthesis = network.generator(codes)
        again[number] = shown(tensor_to_image(synthesis.image[0]), SIDE)
        made, real = image_to_tensor(again[number])[None], decode_images(truth["image"][None])
        figures["ms_ssim"].append(ms_ssim((made + 1) / 2, (real + 1) / 2, data_range=1.0))
        figures["perceptual"].append(perceptual(made, real)[0])
        probabilities = interpolate(to_probabilities(synthesis.segmentation), (SIDE, SIDE), mode="bilinear", align_corners=False)
        confusion += multiclass_confusion_matrix(probabilities[0].argmax(dim=0), truth["labels"].long(), num_classes=NUM_CLASSES)
    means = {name: round(float(torch.stack(values).mean()), 4) for name, values in figures.items()}
    quality = {"faces": len(again), **means, "segmentation": rounded(agreement(confusion))}
    return [again[number] for number in held.chosen(faces)], quality


def spaced(length: int, count: int) -> list[int]:
    """So many of the numbers below ``length``, evenly spaced; all of them if there are no more."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist()


def aligned(picture: Pixels, landmarks: Points) -> AlignedFace:
    """A picture that is an aligned face already."""
    return AlignedFace(image=image_to_tensor(picture), to_photograph=np.eye(3)[:2], landmarks=landmarks)


def pixels_of(image: Tensor) -> Pixels:
    """``(3, S, S)`` bytes to a picture."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def rounded(value: Any) -> Any:
    """With four decimals."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value
