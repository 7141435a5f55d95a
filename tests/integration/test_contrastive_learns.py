"""Stage 2 at tiny scale: does each attribute's code control its attribute and no other, as an independent probe reads it?"""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hydra import compose, initialize_config_module

from vera import bundle
from vera.evaluation.measures.controls import Reading, separability
from vera.evaluation.measures.probe import ProceduralProbe
from vera.training.build.contrastive import with_attributes
from vera.training.runs.run import train

ROOT = Path(__file__).parents[2]
MEANT = {"pose": "yaw", "expression": "smile", "illumination": "light"}
pytestmark = pytest.mark.slow  # five minutes on one core


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / "contrastive" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def explained(network, probe):
    table = separability(Reading(network, {"probe": probe}, faces=1000, batch=100, seed=1))
    own = {name: table[name][read] for name, read in MEANT.items()}
    return own, {(other, read): table[other][read] for name, read in MEANT.items() for other in MEANT if other != name}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """R² before and after: of each code for its own attribute, and for the others'."""
    folder = tmp_path_factory.mktemp("contrastive")
    teach, ablation = loaded("teach"), loaded("ablation")
    taught = teach.teach(**teach.RECIPE)
    bundle.save(folder / "taught", taught, provenance={}, licence="none", card="made up", dtype=torch.float32)
    probe = ProceduralProbe(size=16)
    reads = probe.learn(faces=4000, epochs=16, seed=77)
    shown = teach.learnt(taught, probe, count=512, seed=5)
    torch.manual_seed(0)
    before = explained(with_attributes(taught, dict.fromkeys(MEANT, 64), spread=0.02).eval(), probe)
    with initialize_config_module("vera.conf", version_base="1.3"):
        start = [f"stage.start.generator={folder / 'taught'}", "images=6400", f"run.folder={folder / 'run'}"]
        train(compose("train", ["experiment=smoke_contrastive", *ablation.SMALL, *start]))
    after = explained(ablation.finished(folder / "run")[1], probe)
    return SimpleNamespace(reads=reads, shown=shown, before=before, after=after)


def test_before_stage_2_no_code_says_anything(learnt):
    assert min(learnt.reads.values()) > 0.8  # the probe itself, on faces that it never saw
    own, others = learnt.before
    assert max(*own.values(), *others.values()) < 0.1


def test_the_start_shows_what_is_to_be_learnt(learnt):
    assert learnt.shown["yaw"] > 0.8
    assert learnt.shown["light"] > 0.8
    assert learnt.shown["smile"] > 0.4


def test_every_code_controls_its_attribute_and_no_other(learnt):
    own, others = learnt.after
    assert min(own.values()) >= 0.6, learnt.after
    assert max(others.values()) <= 0.1, learnt.after
