"""`vera train` on procedural faces at tiny size: resume, interruption, learning, export."""

import csv
import os
import signal

import pytest
import torch
from hydra import compose, initialize_config_module

from vera import bundle
from vera.data.sample import decode_labels
from vera.training.export.api import Statement, export
from vera.training.export.autoencoder import BankSettings
from vera.training.objectives import base as faces
from vera.training.objectives.autoencoder import Reconstruction
from vera.training.runs.run import train
from vera.types import VeraError

TINY = ["experiment=smoke", "batch_size=4"]
OPTIONS = {
    "checkpoint": "last.ckpt", "statement": Statement(licence="CC0", card="# tiny", data="procedural"),
    "bank": BankSettings(identities=4, seed=0, pattern=None), "discriminator": None, "exact": False,
}  # fmt: skip


def composed(folder, *overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", [*TINY, f"run.folder={folder}", *overrides])


def weights(path):
    checkpoint = torch.load(path, weights_only=True)
    return {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["vera"]["ema"].items()}}, checkpoint


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, monkeypatch):
    whole = train(composed(tmp_path / "whole", "images=48"))

    reconstruct = Reconstruction.reconstruct

    def interrupted(self, faces):
        calls.append(1)
        if len(calls) == 6:
            os.kill(os.getpid(), signal.SIGINT)  # in the middle of a step
        return reconstruct(self, faces)

    calls: list[int] = []
    monkeypatch.setattr(Reconstruction, "reconstruct", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(composed(tmp_path / "part", "images=48", "~callbacks.sheet"))
    monkeypatch.undo()
    assert weights(tmp_path / "part" / "last.ckpt")[1]["vera"]["images_seen"] == 24
    resumed = train(composed(tmp_path / "resumed", "images=48", f"run.resume={tmp_path / 'part' / 'last.ckpt'}"))

    expected, first = weights(whole)
    got, second = weights(resumed)
    assert first["vera"]["images_seen"] == second["vera"]["images_seen"] == 48
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    moments = [c["optimizer_states"][0]["state"] for c in (first, second)]
    assert all(torch.equal(moments[0][n]["exp_avg_sq"], moments[1][n]["exp_avg_sq"]) for n in moments[0])


@pytest.mark.parametrize(("images", "left"), [(800, 0.7), pytest.param(4000, 0.5, marks=pytest.mark.slow)])
def test_the_smoke_experiment_learns_and_becomes_a_bundle(tmp_path, images, left):
    last = train(composed(tmp_path / "run", "batch_size=8", f"images={images}", "trainer.log_every_n_steps=1"))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        losses = [float(row["loss/perceptual"]) for row in csv.DictReader(stream) if row["loss/perceptual"]]
    assert sum(losses[-5:]) < left * sum(losses[:5])
    assert last.is_file()
    assert sorted(p.name for p in (tmp_path / "run").glob("*.png"))[-1].startswith(f"{images:08d}")

    (info,) = export(tmp_path / "run", tmp_path / "bundle", **OPTIONS)
    network = bundle.load(tmp_path / "bundle")
    assert network.bank.shape == (4, 28, 8)
    assert info.provenance["images_seen"] == images
    average = weights(last)[1]["vera"]["ema"]
    assert torch.equal(network.encoder.to_base.weight, average["encoder.to_base.weight"].to(torch.bfloat16).float())


def test_a_non_finite_loss_stops_before_the_step_and_keeps_the_last_snapshot(tmp_path, monkeypatch):
    def poisoned(labels):
        poisoned.calls += 1
        return decode_labels(labels) * (torch.nan if poisoned.calls == 3 else 1.0)

    poisoned.calls = 0
    monkeypatch.setattr(faces, "decode_labels", poisoned)
    with pytest.raises(VeraError, match="8 images; no step was taken"):
        train(composed(tmp_path / "run", "images=48", "callbacks.snapshots.every=4", "~callbacks.sheet"))
    kept, checkpoint = weights(tmp_path / "run" / "last.ckpt")
    assert checkpoint["vera"]["images_seen"] == 8
    assert all(torch.isfinite(value).all() for value in kept.values() if value.is_floating_point())


def test_a_finished_run_does_not_go_on(tmp_path):
    last = train(composed(tmp_path / "run", "images=8"))
    with pytest.raises(VeraError, match="ask for more"):
        train(composed(tmp_path / "again", "images=8", f"run.resume={last}"))


def test_missing_pieces_are_named(tmp_path):
    with pytest.raises(VeraError, match="no checkpoint"):
        train(composed(tmp_path / "run", "run.resume=/nowhere/last.ckpt"))
    with pytest.raises(VeraError, match="no training run"):
        export(tmp_path, tmp_path / "b", **OPTIONS)
