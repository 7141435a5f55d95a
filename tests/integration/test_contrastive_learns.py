"""Stage 2 at tiny scale: each attribute's code controls its attribute and no other, as an independent probe reads it."""

import importlib.util
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module

from vera import bundle
from vera.evaluation.attribute_measures import Reading, separability
from vera.evaluation.probe import ProceduralProbe
from vera.training.run import train
from vera.training.start_contrastive import with_attributes

ROOT = Path(__file__).parents[2]
MEANT = {"pose": "yaw", "expression": "smile", "illumination": "light"}


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / "contrastive" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def explained(network, probe):
    table = separability(Reading(network, {"probe": probe}, faces=1500, batch=100, seed=1))
    own = {name: table[name][read] for name, read in MEANT.items()}
    leaks = {(other, read): table[other][read] for name, read in MEANT.items() for other in MEANT if other != name}
    return own, leaks


@pytest.mark.slow
def test_codes_control_their_attribute_and_no_other(tmp_path):
    teach, ablation = loaded("teach"), loaded("ablation")
    taught = teach.teach(images=40_000, batch=32, lr=1e-2, seed=0)
    bundle.save(tmp_path / "taught", taught, provenance={}, licence="none", card="made up", dtype=torch.float32)
    probe = ProceduralProbe(size=16)
    assert min(probe.learn(faces=4000, epochs=12, seed=77).values()) > 0.85

    torch.manual_seed(0)
    own, leaks = explained(with_attributes(taught, dict.fromkeys(MEANT, 8), spread=0.02).eval(), probe)
    assert max(*own.values(), *leaks.values()) < 0.1  # before stage 2 no code says anything

    with initialize_config_module("vera.conf", version_base="1.3"):
        overrides = [*ablation.SMALL, f"stage.start.generator={tmp_path / 'taught'}", f"run.folder={tmp_path / 'run'}"]
        train(compose("train", ["experiment=smoke_contrastive", *overrides]))
    own, leaks = explained(ablation.finished(tmp_path / "run")[1], probe)
    assert min(own.values()) >= 0.6, (own, leaks)
    assert max(leaks.values()) <= 0.1, (own, leaks)
