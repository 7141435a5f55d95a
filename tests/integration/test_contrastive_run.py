"""Stage 2 as a run: from a stage 1 bundle to one whose attributes can be asked for; two processes equal one."""

import os
import subprocess
import sys

import pytest
import torch
from hydra import compose, initialize_config_module
from tests.integration.equal_runs import DOUBLE, assert_equal_runs

from vera import bundle
from vera.attributes.control import ControlledGenerator
from vera.generator.network import Generator
from vera.training.runs.run import train

RUN = [
    "experiment=smoke_contrastive", "~callbacks.progress", "~callbacks.sheet", "~callbacks.curve", "batch_size=8", "images=16",
    "generator.size=16", "generator.coarse_size=8", "generator.start_size=4", "generator.channels={16: 8}", "+generator.channels.8=8",
    "discriminator.size=16", "discriminator.channels={4: 8, 8: 8, 16: 8}", "stage.path_every=1", "stage.r1_every=1",
    "optim.lr=5e-4", "optim.eps=0.1",
]  # fmt: skip


def run(folder, *overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        train(compose("train", [*RUN, *overrides, f"run.folder={folder}"]))
    return torch.load(folder / "last.ckpt", weights_only=True)


def test_from_a_stage_1_bundle_to_controls(vera, tmp_path, monkeypatch):
    monkeypatch.setattr("vera.training.export.contrastive.FACES", 48)
    torch.manual_seed(0)
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose("train", RUN).generator
    bundle.save(tmp_path / "one", Generator(**config), provenance={}, licence="none", card="made up", dtype=torch.float32)
    saved = run(tmp_path / "run", f"stage.start.generator={tmp_path / 'one'}")
    assert saved["vera"]["stage"] == "contrastive"
    assert saved["vera"]["networks"]["generator"]["config"]["attributes"] == {"expression": 64, "illumination": 64, "pose": 64}
    assert any("contrast.heads" in name for name in saved["state_dict"])

    (tmp_path / "card.md").write_text("made up")
    stated = ["--data", "procedural", "--licence", "none", "--card", tmp_path / "card.md"]
    code, _, err = vera("export", tmp_path / "run", "--out", tmp_path / "two", *stated)
    assert code == 0, err
    network = bundle.load(tmp_path / "two")
    assert isinstance(network, ControlledGenerator)
    assert {"yaw", "mouth_opening", "light_right"} <= set(network.places)
    assert not any("heads" in name for name in network.state_dict())
    assert network.info.provenance["controls"]["yaw"]["unit"] == "degrees"

    asked = ["--bundle", tmp_path / "two", "--n", 2, "--steps", 3]
    code, _, err = vera("edit", "yaw=-5:5", "light_right=0.1", *asked, "--out", tmp_path / "faces")
    assert code == 0, err
    assert len(list((tmp_path / "faces").glob("*.seg.png"))) == 6
    for wrong, said in (("beauty=1", "choose from"), ("yaw", "NAME=VALUE")):
        code, _, err = vera("edit", wrong, *asked, "--out", tmp_path / "none")
        assert code == 2
        assert said in err


def test_a_resumed_run_is_the_run(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "halves", "images=8")
    halves = run(tmp_path / "halves", "run.resume=auto")
    for part in (lambda c: c["state_dict"], lambda c: c["vera"]["ema"]):
        for name, value in part(whole).items():
            assert torch.equal(part(halves)[name], value), name


@pytest.mark.parametrize("loss", ["ntxent", pytest.param("margin", marks=pytest.mark.slow)])
def test_two_processes_equal_one(tmp_path, loss):
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", DOUBLE, f"stage.loss={loss}"]
    command = [sys.executable, "-m", "vera.cli", "train", *RUN, *two, f"run.folder={tmp_path / 'two'}", f"hydra.run.dir={tmp_path / 'two'}"]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    one = run(tmp_path / "one", DOUBLE, f"stage.loss={loss}")
    both = torch.load(tmp_path / "two" / "last.ckpt", weights_only=True)
    for part in (lambda c: c["state_dict"], lambda c: c["vera"]["ema"]):
        assert_equal_runs(part(one), part(both))
