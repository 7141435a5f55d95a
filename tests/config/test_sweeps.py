"""Every YAML of conf/sweep and conf/comparison: its axes compose and resolve, and it is built at tiny size."""

import itertools
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate
from omegaconf import OmegaConf

from vera import bundle
from vera.inversion.autoencoder import Autoencoder

CONF = Path(__file__).parents[2] / "conf"
STUDIES = {"generator_sizes": 4, "attributes": 8, "segmentation_loss": 2, "dual_space": 2, "regions": 4, "pairs": 3}
"""Of the paper, with the number of their runs."""


def options(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def composed(primary, overrides, **options):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose(primary, overrides, **options)


def axes(primary, choice):
    """By key, the overrides of each axis; of a range a search draws from, its ends."""
    config = composed(primary, [choice, "run.folder=unused"], return_hydra_config=True)
    found = {}
    for key, values in (config.hydra.sweeper.get("params") or {}).items():
        override = OverridesParser.create().parse_override(f"{key}={values}")
        assert override.is_sweep_override(), f"{key} has one value: it is no axis"
        if override.is_interval_sweep():
            found[key] = [f"{key}={end}" for end in (override.value().start, override.value().end)]
        else:
            found[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
    return found


def runs(primary, choice):
    """The overrides of every run."""
    return [[choice, *combination] for combination in itertools.product(*axes(primary, choice).values())]


def samples(primary, choice):
    """The first run, and those in which one axis has another value; so every value is seen."""
    every = runs(primary, choice)
    return [run for run in every if sum(a != b for a, b in zip(run, every[0], strict=True)) <= 1]


@pytest.mark.parametrize("name", options("sweep"))
def test_every_value_of_a_sweep_composes_and_the_last_is_built_at_tiny_size(name, tmp_path):
    for run in samples("train", f"sweep={name}"):
        config = composed("train", [*run, "run.folder=unused"])
        assert config.run.resume == "auto"
        if OmegaConf.is_missing(config.data, "root"):
            config.data.root = str(tmp_path)
        if OmegaConf.is_missing(config, "objective"):
            config.objective = "loss"
        OmegaConf.resolve(config)
    small = [f"{group}=tiny" for group in ("generator", "encoder", "segmenter")]
    config = composed("train", [*[part for part in run if part.partition("=")[0] != "generator"], *small, "run.folder=unused"])
    if config.stage.get("passes"):  # stage 3 goes on from an autoencoder
        start = Autoencoder(generator=OmegaConf.to_container(config.generator), encoder=OmegaConf.to_container(config.encoder), bank=0)
        config.stage.start = str(tmp_path / "start")
        bundle.save(tmp_path / "start", start, provenance={}, licence="CC0", card="#")
    assert instantiate(config.stage.module, _convert_="all").ema.network.size == 32


@pytest.mark.parametrize("name", options("comparison"))
def test_every_run_of_a_comparison_composes_and_resolves(name, tmp_path):
    asked, every = set(), runs("evaluate", f"comparison={name}")
    for run in every:
        where = ["people.path=unused"] if "people.roles" not in "".join(run) else ["people.root=unused"]
        config = composed("evaluate", [*run, *where, f"run.folder={tmp_path}"])
        OmegaConf.resolve(config)
        assert config.anonymizer
        asked.add((*config.preserve, *config.people.get("roles", [])))
    assert len(asked) == len(every)


@pytest.mark.parametrize(("name", "count"), STUDIES.items())
def test_the_studies_of_the_paper_have_a_tiny_twin(name, count):
    group, primary = ("comparison", "evaluate") if name in options("comparison") else ("sweep", "train")
    assert len(runs(primary, f"{group}={name}")) == count
    twin = composed(primary, [f"{group}=smoke_{name}", "run.folder=unused"])
    assert twin[group].name == f"smoke_{name}"
    if primary == "train":
        assert twin.images <= 400
        assert twin.generator.size == 32
    if name != "generator_sizes":  # there the tiny network has no sizes, but widths
        assert axes(primary, f"{group}=smoke_{name}") == axes(primary, f"{group}={name}")
