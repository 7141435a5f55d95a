"""`vera train experiment=smoke_parser` at tiny size: it learns, goes on exactly, and becomes a bundle."""

import csv
import os
import signal

import pytest
import torch
from hydra import compose, initialize_config_module

from vera.data.procedural import ProceduralFaces
from vera.faces.bundle_parser import BundleParser
from vera.faces.segmenter import Segmenter
from vera.training.export.api import Statement, export
from vera.training.export.autoencoder import BankSettings
from vera.training.runs.run import train

OPTIONS = {
    "checkpoint": "last.ckpt", "statement": Statement(licence="CC0", card="# tiny", data="procedural"),
    "bank": BankSettings(identities=4, seed=0, pattern=None), "discriminator": None, "exact": False,
}  # fmt: skip


def composed(folder, *overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("train", ["experiment=smoke_parser", f"run.folder={folder}", *overrides])


def saved(path):
    checkpoint = torch.load(path, weights_only=True)
    return {**checkpoint["state_dict"], **{f"ema/{k}": v for k, v in checkpoint["vera"]["ema"].items()}}, checkpoint


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, monkeypatch):
    options = ["batch_size=4", "images=24"]
    whole, first = saved(train(composed(tmp_path / "whole", *options)))
    forward, calls = Segmenter.forward, []

    def interrupted(self, images):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)  # in the middle of a step
        return forward(self, images)

    monkeypatch.setattr(Segmenter, "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(composed(tmp_path / "part", *options))
    monkeypatch.undo()
    assert saved(tmp_path / "part" / "last.ckpt")[1]["vera"]["images_seen"] == 12
    resumed, second = saved(train(composed(tmp_path / "part", *options, "run.resume=auto")))
    assert first["vera"]["images_seen"] == second["vera"]["images_seen"] == 24
    assert first["vera"]["stage"] == "parsing"
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_it_learns_and_becomes_a_bundle(tmp_path):
    train(composed(tmp_path / "run", "images=640", "trainer.log_every_n_steps=1", "stage.ema.half_life=100"))
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        losses = [float(row["loss/total"]) for row in csv.DictReader(stream) if row["loss/total"]]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])

    (info,) = export(tmp_path / "run", tmp_path / "bundle", **OPTIONS)
    assert info.provenance["stage"] == "parsing"
    assert info.provenance["images_seen"] == 640
    network = BundleParser(tmp_path / "bundle").network
    average = saved(tmp_path / "run" / "last.ckpt")[1]["vera"]["ema"]
    assert torch.equal(network.to_logits.weight, average["to_logits.weight"].to(torch.bfloat16).float())
    samples = [ProceduralFaces(size=32, count=8, seed=99)[n] for n in range(8)]
    images, labels = (torch.stack([sample[part] for sample in samples]) for part in ("image", "labels"))
    assert (network(images.float() / 127.5 - 1).argmax(dim=1) == labels).float().mean() > 0.6
