"""Two processes with half the batch each do what one process does with all of it: stage 3, photographs and generated faces mixed."""

import os
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from tests.integration.equal_runs import DOUBLE, assert_equal_runs
from tests.reference.checkpoint import made_up

from vera import bundle
from vera.generator.network import Generator
from vera.generator.published import load_generator, read_checkpoint
from vera.inversion.autoencoder import Autoencoder
from vera.training.runs.run import train

RUN = [
    "experiment=smoke_inversion", "~callbacks.progress", "~callbacks.sheet", "seed=3", "batch_size=8", "images=24",
    "optim.lr=2e-3", "optim.eps=0.1",  # Adam's step is no longer a sign: rounding stays rounding
]  # fmt: skip
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def composed(*overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", list(overrides))


def autoencoder(_):
    config = OmegaConf.to_container(composed("run.folder=unused", "generator=tiny", "encoder=tiny"))
    return Autoencoder(generator=config["generator"], encoder=config["encoder"], bank=0)


def generator_of_stage_2(_):
    config = OmegaConf.to_container(composed("run.folder=unused", "experiment=smoke_generator").generator)
    return Generator(**{**config, "attributes": {"pose": 8}})


def converted(folder):
    return load_generator(read_checkpoint(made_up(folder / "x.pt")), "g_ema")


def state(folder):
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    return {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["vera"]["ema"].items()}}, checkpoint["vera"]


@pytest.mark.slow
@pytest.mark.parametrize("network", [autoencoder, generator_of_stage_2, converted])
def test_two_processes_of_stage_3_equal_one(tmp_path, network):
    torch.manual_seed(0)
    bundle.save(tmp_path / "start", network(tmp_path), provenance={}, licence="CC0", card="#", dtype=torch.float32)
    run = [*RUN, DOUBLE, f"stage.start={tmp_path / 'start'}"]
    folder = tmp_path / "two"
    command = [sys.executable, "-m", "vera.cli", "train", *run, *TWO, f"run.folder={folder}", f"hydra.run.dir={folder}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    two = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    train(composed(*run, f"run.folder={tmp_path / 'one'}"))
    train(composed(*run, "images=8", f"run.folder={tmp_path / 'early'}"))
    said, _ = two.communicate(timeout=600)
    assert two.returncode == 0, said

    (expected, one), (got, both), (early, _) = state(tmp_path / "one"), state(folder), state(tmp_path / "early")
    assert one["images_seen"] == both["images_seen"] == 24
    assert_equal_runs(expected, got)
    learnt = [name for name in expected if name.startswith("ema/encoder.") and not torch.equal(expected[name], early[name])]
    assert len(learnt) > 20
