"""Every YAML: composes, resolves, and instantiates at tiny size."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

CONF = Path(__file__).parents[2] / "conf"
PRIMARY = "train"


def options(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def composed(overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose(PRIMARY, ["run.folder=/tmp/unused", *overrides])
    OmegaConf.resolve(config)
    return config


def root(tmp_path):
    return [f"data.root={tmp_path}"]


@pytest.mark.parametrize("group", sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name not in ("experiment", "__pycache__")))
def test_every_option_of_every_group_composes(group, tmp_path):
    for name in options(group):
        needs = root(tmp_path) if (group, name) in [("data", "folder"), ("data", "lmdb"), ("data", "celebamask")] else []
        composed([f"{group}={name}", *needs])


@pytest.mark.parametrize("name", options("generator"))
def test_generators_instantiate(name):
    network = instantiate(composed([f"generator={name}"]).stage.module.network, _convert_="all")
    generator = sum(p.numel() for p in network.generator.parameters())
    assert generator <= 8e6  # the design's limit for the default bundle


@pytest.mark.parametrize("name", options("experiment"))
def test_experiments_instantiate_at_tiny_size(name, tmp_path):
    needs = root(tmp_path) if name == "default_bundle" else []
    config = composed([f"experiment={name}", "generator=tiny", "encoder=tiny", *needs])
    module = instantiate(config.stage.module, _convert_="all")
    assert module.network.size == 32
    assert instantiate(config.trainer, logger=False).max_epochs == -1
    assert {type(instantiate(c)).__name__ for c in config.callbacks.values()} == {"Snapshots"}
