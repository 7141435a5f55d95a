"""`trainer=ddp` is right for every stage: two processes with half the batch each do what one process does with all of it.

Stages 1 to 3 have tests of their own; here are the default recipe, whose pretrained trunk has parts that no loss reaches, and the parser.
"""

import os
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_module
from tests.integration.equal_runs import DOUBLE, assert_equal_runs

from vera.training.runs.folder import read_record
from vera.training.runs.run import train

RUN = ["~callbacks.progress", "seed=3", "batch_size=8", "images=16", "optim.lr=2e-3", "optim.eps=0.1"]
"""With this epsilon Adam's step is no longer a sign: rounding stays rounding."""
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def composed(*overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", list(overrides))


def state(folder):
    checkpoint = torch.load(folder / "last.ckpt", weights_only=True)
    return {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["vera"]["ema"].items()}}


@pytest.mark.parametrize("trainer", ["ddp", "ddp_gan", "slurm"])
def test_no_process_waits_for_gradients_that_do_not_come(trainer):
    assert composed("run.folder=unused", f"trainer={trainer}").trainer.strategy == "ddp_find_unused_parameters_true"


def start_two(folder, *overrides):
    command = [sys.executable, "-m", "vera.cli", "train", *RUN, *overrides, *TWO, f"run.folder={folder}", f"hydra.run.dir={folder}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_two_processes_of_the_default_recipe_equal_one(tmp_path):
    run = ["experiment=smoke", "~callbacks.sheet", DOUBLE]
    two = start_two(tmp_path / "two", *run)
    train(composed(*run, *RUN, f"run.folder={tmp_path / 'one'}"))
    said, _ = two.communicate(timeout=600)
    assert two.returncode == 0, said
    assert_equal_runs(state(tmp_path / "one"), state(tmp_path / "two"))


@pytest.mark.slow
def test_two_processes_train_the_parser(tmp_path):  # its corruptions compute in single precision: no sharp comparison
    two = start_two(tmp_path, "experiment=smoke_parser")
    said, _ = two.communicate(timeout=600)
    assert two.returncode == 0, said
    assert read_record(tmp_path)["state"] == "finished"
