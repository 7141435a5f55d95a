"""Measured: faces a second that one loader process reads from each format, in the same run, of the same pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from PIL import Image
from skimage.data import astronaut
from torch.utils.data import DataLoader

from vera.data.decoding import read_sample
from vera.data.folder import FolderDataset
from vera.data.packing import pack
from vera.data.procedural import ProceduralFaces
from vera.data.published_lmdb import LMDBDataset
from vera.data.published_lmdb import pack as pack_lmdb
from vera.data.sample import FaceDataset
from vera.data.shards import ShardsDataset
from vera.data.stream import GlobalIndexSampler, Stream

BATCH = 16
JPEG = {"quality": 95, "subsampling": 0}
"""As the LMDB has it."""


def make(root: Path, *, faces: int, size: int) -> None:
    """The same pictures in each format: crops of a real portrait (public domain), with masks of drawn faces."""
    rng, portrait, drawn = np.random.default_rng(0), Image.fromarray(astronaut()), ProceduralFaces(size=size, count=faces, seed=0)
    for kind in ("png", "jpeg"):
        for part in ("images", "masks"):
            (root / kind / part).mkdir(parents=True)
    for number in range(faces):
        side = int(rng.integers(256, 512))
        x, y = rng.integers(0, 513 - side, 2)
        image = portrait.resize((size, size), Image.Resampling.LANCZOS, box=(x, y, x + side, y + side))
        for kind, suffix, options in (("png", "png", {}), ("jpeg", "jpg", JPEG)):
            image.save(root / kind / "images" / f"{number:06d}.{suffix}", **options)
            Image.fromarray(drawn[number]["labels"].numpy()).save(root / kind / "masks" / f"{number:06d}.png")
    pngs, jpegs = (FolderDataset(root=root / kind, size=size, pattern="*", cache=False).pairs for kind in ("png", "jpeg"))
    pack_lmdb((read_sample(image, mask, size=size, name=str(image)) for image, mask in pngs), root / "lmdb")
    for kind, pairs in (("png", pngs), ("jpeg", jpegs)):
        pack(pairs, root / f"shards_{kind}", shard_size=max(faces // 2, 1))


def formats(root: Path, *, size: int) -> dict[str, FaceDataset]:
    """What :func:`make` wrote, opened."""
    options: dict[str, Any] = {"size": size, "pattern": "*", "cache": False}
    return {
        "folder of PNG": FolderDataset(root=root / "png", **options),
        "folder of JPEG": FolderDataset(root=root / "jpeg", **options),
        "folder, cached": FolderDataset(root=root / "png", **{**options, "cache": True}),
        "LMDB (JPEG)": LMDBDataset(root=root / "lmdb", size=size),
        "shards of PNG": ShardsDataset(root=root / "shards_png", **options),
        "shards of JPEG": ShardsDataset(root=root / "shards_jpeg", **options),
    }


def bytes_a_face(root: Path, faces: int) -> dict[str, float]:
    """Of each folder that :func:`make` wrote."""
    sizes = {folder.name: [file.stat().st_size for file in folder.rglob("*") if file.is_file()] for folder in sorted(root.iterdir())}
    return {name: sum(of_files) / faces for name, of_files in sizes.items()}


def streams(datasets: Mapping[str, FaceDataset]) -> dict[str, Stream]:
    """As a training reads them: in random order, mirrored by chance; and one with the augmentation of mosaics."""
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose("train", ["data=mosaics", "data.root=unused", "run.folder=unused"])
    augment = instantiate(config.datamodule.augment)
    plain = {name: Stream(dataset, seed=0, mirror=True) for name, dataset in datasets.items()}
    return plain | {"shards of JPEG, augmented": Stream(datasets["shards of JPEG"], seed=0, mirror=True, augment=augment)}


def measured(sources: Mapping[str, Stream], *, rounds: int) -> dict[str, dict[str, float]]:
    """Each format's faces a second in batches, one epoch a round, in turns: whatever else the machine does hits all alike.

    A first round that does not count fills the caches, the file system's among them: what is timed is opening and decoding, not a disk.

    Returns:
        By format: medians of the rounds, by the clock and by the seconds of this process; ``ratio`` to the first format's, round by round.

    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sources}
    for turn in range(rounds + 1):
        for name, stream in sources.items():
            count = len(stream.dataset)
            batches = iter(DataLoader(stream, batch_size=BATCH, sampler=GlobalIndexSampler(lambda: turn * count, rank=0, ranks=1)))  # noqa: B023
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(count // BATCH):
                next(batches)
            if turn:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    images = {name: len(stream.dataset) // BATCH * BATCH for name, stream in sources.items()}
    first = next(iter(seconds.values()))
    return {
        name: {
            "images_per_second": images[name] / statistics.median(wall for wall, _ in taken),
            "images_per_cpu_second": images[name] / statistics.median(cpu for _, cpu in taken),
            "ratio": statistics.median(base / own for (_, base), (_, own) in zip(first, taken, strict=True)),
        }
        for name, taken in seconds.items()
    }
