"""Stage 1 on procedural faces learns: what it generates comes nearer to the data, by a distance that it was not trained against."""

import csv

from hydra import compose, initialize_config_module

from vera.training.run import train

# The smoke experiment, with networks as wide as half a minute on one core trains.
LEARNS = [
    "experiment=smoke_generator", "batch_size=4", "images=2000", "optim.lr=0.01",
    "generator.local_channels=8", "generator.coarse_channels=32", "generator.channels={16:32,32:32}",
    "discriminator.channels={4:32,8:32,16:32,32:16}",
    "stage.module.game.weights.r1_image=1.0", "stage.module.game.weights.r1_segmentation=10.0",
    "callbacks.curve.every=400", "callbacks.curve.features.side=32", "callbacks.curve.keep=0",
    "~callbacks.progress", "~callbacks.sheet", "~callbacks.throughput",
]  # fmt: skip


def test_the_frechet_distance_falls_by_half(tmp_path):
    with initialize_config_module("vera.conf", version_base="1.3"):
        train(compose("train", [*LEARNS, f"run.folder={tmp_path}"]))
    with (tmp_path / "metrics.csv").open() as stream:
        curve = [float(row["frechet_lite0"]) for row in csv.DictReader(stream) if row.get("frechet_lite0")]
    assert len(curve) == 6  # at initialisation, then every 400 images
    assert min(curve[1:]) < curve[0] / 2
