"""Two processes with half the batch each do what one process does with all of it: every phase of stage 1, ADA included."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from hydra import compose, initialize_config_module
from tests.integration.equal_runs import DOUBLE, assert_equal_runs

from vera.training.runs.run import train

RUN = [
    "experiment=smoke_generator", "~callbacks.progress", "seed=3",
    "~callbacks.sheet", "callbacks.curve.images=8", "callbacks.curve.batch=2", "callbacks.curve.keep=1", "stage.features.side=32",
    "augmentation=adaptive", "augmentation.strength.interval=8", "augmentation.strength.speed=64", "augmentation.strength.strength=0.5",
    "stage.r1_every=3", "stage.path_every=2",
    "optim.lr=2e-3", "optim.eps=0.1",  # Adam's step is no longer a sign: rounding stays rounding
]  # fmt: skip
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def start_two(folder, *overrides):
    command = [sys.executable, "-m", "vera.cli", "train", *RUN, *TWO, f"run.folder={folder}", f"hydra.run.dir={folder}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def curve(folder):
    with (folder / "metrics.csv").open() as stream:
        return [float(row["frechet_lite0"]) for row in csv.DictReader(stream) if row["frechet_lite0"]]


def state(folder):
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    return {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["vera"]["ema"].items()}}, checkpoint["vera"]


@pytest.mark.parametrize(
    ("batch", "per_device"), [(8, "null"), pytest.param(16, 4, marks=pytest.mark.slow)], ids=["four-each", "accumulated"]
)
def test_two_processes_equal_one(tmp_path, batch, per_device):
    overrides = [DOUBLE, f"batch_size={batch}", f"images={4 * batch}", f"stage.per_device={per_device}"]
    two = start_two(tmp_path / "two", *overrides)
    with initialize_config_module("vera.conf", version_base="1.3"):
        train(compose("train", [*RUN, *overrides, f"run.folder={tmp_path / 'one'}"]))
    said, _ = two.communicate(timeout=600)
    assert two.returncode == 0, said

    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one"), rel=1e-3)
    assert len(curve(tmp_path / "two")) == 2  # before the first image and after the last
    assert len(list((tmp_path / "two" / "top").iterdir())) == 1

    (expected, one), (got, both) = state(tmp_path / "one"), state(tmp_path / "two")
    assert one["strength"] == both["strength"]
    assert one["strength"]["strength"] != 0.5
    assert one["images_seen"] == both["images_seen"] == 4 * batch
    assert expected["game.path_mean"] > 0
    assert_equal_runs(expected, got)


@pytest.mark.slow
def test_a_signal_to_one_of_two_processes_stops_both_and_the_run_goes_on(tmp_path):
    two = start_two(tmp_path, "batch_size=8", "images=80000", "callbacks.snapshots.every=8", "~callbacks.curve")
    while two.poll() is None and not (tmp_path / "last.ckpt").is_file():
        time.sleep(0.2)
    two.send_signal(signal.SIGUSR1)
    said, _ = two.communicate(timeout=300)
    assert two.returncode == 130, said
    assert "run.resume" in said
    seen = state(tmp_path)[1]["images_seen"]
    again = start_two(tmp_path, "batch_size=8", f"images={seen + 8}", "run.resume=auto", "~callbacks.curve")
    said, _ = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert state(tmp_path)[1]["images_seen"] == seen + 8
