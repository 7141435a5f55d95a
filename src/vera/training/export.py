"""From a training run's folder to a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor

from vera import bundle
from vera.data.sample import FaceDataset, decode_images, decode_labels
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.bank import PEOPLE, mix
from vera.types import VeraError


def export(
    run: Path, out: Path, *, identities: int, seed: int, licence: str, card: str, data: str, pattern: str | None
) -> bundle.BundleInfo:
    """Write the averaged network of a run, with a bank of identities mixed from its data.

    Args:
        run: the run's folder (``config.yaml`` and ``last.ckpt``).
        out: the bundle to make.
        identities: size of the bank.
        seed: of the mixtures.
        licence: of the weights.
        card: the model card, Markdown.
        data: what the weights were trained on, in words, for the provenance.
        pattern: glob of the names of the faces that the bank is mixed from (a folder of images); None for all of them.

    Raises:
        VeraError: when the run has no checkpoint or configuration, the bundle exists, or there are too few faces.

    """
    for name in ("config.yaml", "last.ckpt"):
        if not (run / name).is_file():
            raise VeraError(f"'{run}' is no training run: {name} is missing")
    if out.exists():
        raise VeraError(f"'{out}' exists: a bundle is never overwritten; choose another folder or remove it")
    config: Any = OmegaConf.load(run / "config.yaml")
    if pattern is not None:
        if "pattern" not in config.datamodule.dataset:
            raise VeraError("--pattern: this run's faces have no names to choose by; leave it out")
        OmegaConf.update(config, "datamodule.dataset.pattern", pattern)
    checkpoint = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True).get("vera")
    if checkpoint is None:
        raise VeraError(f"'{run / 'last.ckpt'}' was not written by this stage's training")
    network: Autoencoder = instantiate(config.stage.module.network, _convert_="all")
    network.load_state_dict(checkpoint["ema"], strict=True)
    network.eval().requires_grad_(False)

    dataset: FaceDataset = instantiate(config.datamodule.dataset, _convert_="all")
    if len(dataset) < PEOPLE:
        raise VeraError(f"the bank mixes {PEOPLE} faces at a time, there are {len(dataset)}: widen --pattern")
    codes = torch.cat(list(_encode(network, dataset)))
    bank = mix(codes, count=identities, people=PEOPLE, spread=1.0, generator=torch.Generator().manual_seed(seed))
    network.fill_bank(bank, codes.mean(dim=0))
    provenance = {
        "stage": "inversion, generator unfrozen (an autoencoder)",
        "data": data,
        "faces": len(dataset),
        "images_seen": int(checkpoint["images_seen"]),
        "bank": {"identities": identities, "people_in_each": PEOPLE, "seed": seed},
        "versions": {"torch": torch.__version__, "pytorch-lightning": version("pytorch-lightning"), "vera": version("vera-anonymization")},
    }
    return bundle.save(out, network, provenance=provenance, licence=licence, card=card)


def _encode(network: Autoencoder, dataset: FaceDataset, batch: int = 64) -> Iterator[Tensor]:
    for start in range(0, len(dataset), batch):
        samples = [dataset[n] for n in range(start, min(start + batch, len(dataset)))]
        images = decode_images(torch.stack([s["image"] for s in samples]))
        labels = decode_labels(torch.stack([s["labels"] for s in samples]))
        yield network.encode(images, labels).local
