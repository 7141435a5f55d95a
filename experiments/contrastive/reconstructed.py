"""What the default bundle makes of photographs: stage 2's data and the directions in which one person's photographs differ.

Stage 2 of a bundle that came from an autoencoder moves its dual space alone. Judged beside photographs, its faces would be told by their
skin, which it cannot change; judged beside what the frozen generator makes of photographs, they are told by what it can. See README.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from vera import load
from vera.data.augment import Augment
from vera.data.folder import FolderDataset
from vera.data.sample import decode_images, decode_labels
from vera.data.stream import draws
from vera.types import LatentCodes, tensor_to_image

BEYOND = Augment(probability=0.75, temperature=0.0, exposure=0.0, shading=0.7, background=0.0, rotation=8.0, turn=15.0)
"""DECISION: light and pose, and no change that is nobody's attribute (colour of the light, other backgrounds)."""
VIEWS = 2
"""Of each photograph."""


def within(codes: Tensor, count: int) -> Tensor:
    """``(count, R, D)``: principal directions in which the photographs of one person differ, with their standard deviations as lengths.

    Base, shape and texture codes differ in scale by a factor of twenty: each kind counts as much as the others.

    Args:
        codes: ``(people, photographs of one, R, D)``.
        count: of directions.

    """
    off = (codes - codes.mean(dim=1, keepdim=True)).flatten(0, 1) * (codes.shape[1] / (codes.shape[1] - 1)) ** 0.5
    kinds = [slice(0, 2), slice(2, None, 2), slice(3, None, 2)]
    unit = torch.ones(off.shape[1], 1)
    for kind in kinds:
        unit[kind] = off[:, kind].square().mean().sqrt()
    _, lengths, directions = torch.linalg.svd((off / unit).flatten(1), full_matrices=False)
    found = directions[:count] * (lengths[:count, None] / len(off) ** 0.5)
    return (found.view(count, *off.shape[1:]) * unit).contiguous()


@torch.no_grad()
def main() -> None:
    """Write ``images/``, ``masks/`` and ``within.safetensors``."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bundle", type=Path, required=True)
    arguments.add_argument("--data", type=Path, required=True, help="mosaics: images/PERSON_ROLE.jpg and masks/")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--people", type=int, default=400)
    arguments.add_argument("--directions", type=int, default=64)
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    network: Any = load(chosen.bundle)
    faces = FolderDataset(root=chosen.data, size=network.size, pattern="*", cache=False)
    people: dict[str, list[int]] = {}
    for number, (image, _) in enumerate(faces.pairs):
        people.setdefault(image.stem.rsplit("_", 1)[0], []).append(number)
    for folder in ("images", "masks"):
        (chosen.out / folder).mkdir(parents=True)
    codes = []
    for person, photographs in track(sorted(people.items())[: chosen.people], "people"):
        numbers = [VIEWS * n + view for n in photographs for view in range(VIEWS)]
        views = [BEYOND(faces[number // VIEWS], draws(0, number, BEYOND.numbers)) for number in numbers]
        found: LatentCodes = network.encode(
            decode_images(torch.stack([v["image"] for v in views])), decode_labels(torch.stack([v["labels"] for v in views]))
        )
        codes.append(found.local)
        made = network.generator(found)
        for view, (image, segmentation) in enumerate(zip(made.image, made.segmentation, strict=True)):
            Image.fromarray(tensor_to_image(image)).save(chosen.out / "images" / f"{person}_{view}.png")
            labels = segmentation.argmax(dim=0).to(torch.uint8).numpy()
            Image.fromarray(np.asarray(labels)).save(chosen.out / "masks" / f"{person}_{view}.png")
    save_file({"within": within(torch.stack(codes), chosen.directions)}, chosen.out / "within.safetensors")


if __name__ == "__main__":
    main()
