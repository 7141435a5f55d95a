"""Paths of earlier versions lead to the parts that they meant."""

import importlib
import importlib.util

import pytest
from omegaconf import OmegaConf

from vera.moved import MOVED, current, modernise
from vera.training.runs.stored import find_class


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_path_leads_to_something_and_is_gone_itself(old):
    module, _, name = MOVED[old].rpartition(".")
    assert getattr(importlib.import_module(module), name).__module__ == module
    module, _, name = old.rpartition(".")
    packages = module.split(".")
    there = all(importlib.util.find_spec(".".join(packages[:count])) for count in range(1, len(packages) + 1))
    assert not there or not hasattr(importlib.import_module(module), name)


def test_a_configuration_with_old_paths_is_one_of_today():
    config = OmegaConf.create(
        {
            "a": {"_target_": "vera.training.schedule.Schedule", "total": "${images}"},
            "parts": [{"_target_": "vera.training.sweep.Sweep"}, "???", None],
            "again": "${parts}",
            "images": "???",
        }
    )
    modernise(config)
    assert OmegaConf.to_container(config)["parts"] == [{"_target_": "vera.training.runs.sweep.Sweep"}, "???", None]
    assert config.a._target_ == "vera.training.schedule.Schedule"
    assert OmegaConf.is_interpolation(config, "again")


def test_an_argument_has_its_name_of_today():
    old = {"_target_": "vera.training.objectives.parsing.Parsing", "disturbance": {"_target_": "vera.faces.disturbance.Disturbance"}}
    for config in (OmegaConf.create(old, flags={"struct": True}), old):
        modernise(config)
        assert config["corruption"] == {"_target_": "vera.data.corruption.corrupt.Corruption"}
        assert "disturbance" not in config


@pytest.mark.parametrize("plain", [True, False])
def test_an_attributes_encoder_lies_in_its_entry(plain):
    encoder = {"_target_": "vera.attributes.pose.SegmentationPose", "yaw": [1, 2, 3], "path": "${file}"}
    old = {"file": "x", "attributes": {"pose": {"code": 4, "weight": 0.5, "encoder": encoder}}, "encoder": {"width": 3}}
    config = old if plain else OmegaConf.create(old, flags={"struct": True})
    modernise(config)
    found = config if plain else OmegaConf.to_container(config, resolve=False)
    assert found == {"file": "x", "attributes": {"pose": {"code": 4, "weight": 0.5} | encoder}, "encoder": {"width": 3}}


def test_a_runs_file_may_name_an_old_path():
    assert find_class("vera.training.adversaries.Adversaries", what="a run").__module__ == "vera.training.objectives.gan"
    assert current(3) == 3
