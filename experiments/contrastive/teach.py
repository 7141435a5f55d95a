"""A generator of procedural faces in a minute, taught instead of pretrained: stage 2's start where stage 1 would take an hour.

Face number n's noise z is made of its known attributes, so that image and segmentation can be regressed. What comes out is what
stage 1 gives: one code, in which pose, expression and light are mixed with everything else. How well it turns, smiles and is lit is
said by the probe (``learnt``): a start that cannot show an attribute cannot learn to keep it apart. See README.md beside this file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vera import bundle
from vera.data.procedural import ProceduralFaces
from vera.data.sample import decode_images
from vera.evaluation.measures.probe import NAMES, ProceduralProbe
from vera.generator.network import Generator

CONFIG: dict[str, Any] = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 16, "local_channels": 16,
    "coarse_channels": 32, "layers": [2, 2, 2], "channels": {8: 32, 16: 32}, "attributes": {}, "mapping_layers": 1,
}  # fmt: skip
"""A mapping has a hundredth of the learning rate: with more layers it scrambles what a regression has to find."""
TURN = 0
RECIPE: dict[str, Any] = {"images": 40_000, "batch": 16, "lr": 4e-2, "seed": 0}


def faces(size: int, count: int, seed: int, latent: int) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels and the noise that stands for them: ranks of the nine attributes as normal numbers, more noise beside them, turned.

    There are more numbers than attributes, because the mapping takes the length out of them.
    """
    drawn = ProceduralFaces(size=size, count=count, seed=seed)
    samples = [drawn[n] for n in range(count)]
    rows = []
    for n in range(count):
        a = drawn.attributes(n)
        rows.append([a.yaw, a.smile, a.light, a.width, a.skin[0], a.hair[0], a.background[0], a.eye, a.nose])
    ranks = torch.from_numpy(np.argsort(np.argsort(np.array(rows), axis=0), axis=0))
    known = torch.special.ndtri((ranks + 0.5) / count).float()
    other = torch.randn(count, latent - known.shape[1], generator=torch.Generator().manual_seed(seed))
    turn = torch.linalg.qr(torch.randn(latent, latent, generator=torch.Generator().manual_seed(TURN)))[0]
    images = decode_images(torch.stack([s["image"] for s in samples]))
    return images, torch.stack([s["labels"] for s in samples]).long(), torch.cat([known, other], dim=1) @ turn


def teach(*, images: int, batch: int, lr: float, seed: int) -> Generator:
    """A generator whose faces are procedural ones."""
    torch.manual_seed(seed)
    network = Generator(**CONFIG)
    pictures, labels, z = faces(network.size, 4096, seed, network.latent)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.99))
    steps = images // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        rows = torch.randint(len(pictures), (batch,))
        made = network(network.map(z[rows], {}), [torch.randn(batch, 1, side, side) for side in network.noise_sides])
        wanted = 2 * F.one_hot(labels[rows], network.classes).permute(0, 3, 1, 2).float() - 1
        coarse = F.adaptive_avg_pool2d(wanted, network.coarse_size)
        loss = (made.image - pictures[rows]).square().mean() + (made.segmentation - wanted).square().mean()
        loss = loss + (2 * made.coarse - 1 - coarse).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


@torch.no_grad()
def learnt(network: Generator, probe: ProceduralProbe, *, count: int, seed: int) -> dict[str, float]:
    """R² of what the probe reads in taught faces, against the truth behind their noise, on faces that were not taught."""
    drawn = ProceduralFaces(size=network.size, count=count, seed=seed)
    truth = torch.tensor([[getattr(drawn.attributes(n), name) for name in NAMES] for n in range(count)])
    made = network.eval()(network.map(faces(network.size, count, seed, network.latent)[2], {}))
    explained = 1 - (probe(made.image, made.segmentation) - truth).square().mean(dim=0) / truth.var(dim=0, correction=0)
    return dict(zip(NAMES, explained.tolist(), strict=True))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="the bundle to make")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    taught = teach(**RECIPE)
    stated = {"licence": "Apache-2.0", "card": "A test's generator of procedural faces.", "dtype": torch.float32}
    bundle.save(chosen.out, taught, provenance={"stage": "taught", "data": "procedural faces"}, **stated)
