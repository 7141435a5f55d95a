"""Stage 1 on procedural faces learns: what it generates comes nearer to the data, by a distance that it was not trained against."""

import csv

import pytest
from hydra import compose, initialize_config_module

from vera.training.runs.run import train

# The smoke experiment at 16 pixels.
LEARNS = [
    "experiment=smoke_generator", "batch_size=4", "callbacks.curve.keep=0", "~callbacks.progress",
    "generator.size=16", "generator.coarse_size=8", "generator.start_size=4", "generator.channels={16: 32}", "+generator.channels.8=32",
    "discriminator.size=16", "discriminator.channels={4: 16, 8: 16, 16: 16}",
]  # fmt: skip


@pytest.mark.parametrize(("images", "left"), [(800, 0.75), pytest.param(2000, 0.5, marks=pytest.mark.slow)])
def test_the_frechet_distance_falls_against_initialisation(tmp_path, images, left):
    with initialize_config_module("vera.conf", version_base="1.3"):
        train(compose("train", [*LEARNS, f"images={images}", f"run.folder={tmp_path}"]))
    with (tmp_path / "metrics.csv").open() as stream:
        curve = {int(row["step"]): float(row["frechet_lite0"]) for row in csv.DictReader(stream) if row["frechet_lite0"]}
    assert sorted(curve) == [0, images]
    assert curve[images] < left * curve[0]  # after 800 images a half or 0.6, after 2000 a third, by the seed
