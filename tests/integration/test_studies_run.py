"""The studies of the paper at tiny size, from the command line: every run of every smoke sweep and comparison."""

import json

import numpy as np
import pytest
import skimage.data
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from vera import bundle
from vera.faces.photograph import write_png
from vera.generator.network import Generator
from vera.inversion.autoencoder import Autoencoder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "count"), [("generator_sizes", 2), ("attributes", 8), ("segmentation_loss", 2), ("dual_space", 2)])
def test_smoke_sweeps(vera, tmp_path, monkeypatch, name, count):
    monkeypatch.chdir(tmp_path)
    command = ["train", "-m", f"sweep=smoke_{name}", "batch_size=8", "images=16", "~callbacks.sheet", "~callbacks.progress"]
    if name == "segmentation_loss":
        with initialize_config_module("vera.conf", version_base="1.3"):
            config = compose("train", ["experiment=smoke", "run.folder=unused"])
        start = Autoencoder(generator=OmegaConf.to_container(config.generator), encoder=OmegaConf.to_container(config.encoder), bank=0)
        bundle.save(tmp_path / "start", start, provenance={}, licence="CC0", card="#")
        command.append(f"stage.start={tmp_path / 'start'}")
    if name == "dual_space":
        with initialize_config_module("vera.conf", version_base="1.3"):
            config = OmegaConf.to_container(compose("train", ["experiment=smoke_generator", "run.folder=unused"]).generator)
        for made, attributes in (("generator", {}), ("attributes", {"pose": 8})):
            start = Generator(**{**config, "attributes": attributes})
            bundle.save(tmp_path / "chain" / made, start, provenance={}, licence="CC0", card="#")
        command.append(f"sweep.chain={tmp_path / 'chain'}")
    code, _, stderr = vera(*command)
    assert code == 0, stderr
    records = [json.loads(path.read_text()) for path in (tmp_path / "multirun" / f"smoke_{name}").glob("*/run.json")]
    assert [record["state"] for record in records] == ["finished"] * count


@pytest.mark.parametrize(("name", "count"), [("regions", 4), ("pairs", 3)])
def test_smoke_comparisons(vera, tmp_path, monkeypatch, name, count):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people").mkdir()
    for role in ("before", "after"):
        write_png(tmp_path / "people" / f"collins_{role}.png", np.ascontiguousarray(skimage.data.astronaut()[:260, 90:350]))
    code, _, stderr = vera("evaluate", "-m", f"comparison=smoke_{name}", "people=by_role", "people.root=people")
    assert code == 0, stderr
    folders = sorted(path.parent for path in (tmp_path / "multirun" / f"smoke_{name}").glob("*/results.jsonl"))
    assert len(folders) == count
    code, stdout, stderr = vera("report", *folders)
    assert code == 0, stderr
    assert all(f"mask ({folder.name})" in stdout for folder in folders)
