"""Every YAML: composes, resolves, and instantiates at tiny size."""

import re
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

from vera import bundle
from vera.faces.segmenter import Segmenter
from vera.generator.network import Generator
from vera.inversion.autoencoder import Autoencoder

CONF = Path(__file__).parents[2] / "conf"
PRIMARY = "train"


def options(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def composed(overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose(PRIMARY, ["run.folder=/tmp/unused", *overrides])
    OmegaConf.resolve(config)
    return config


def missing(group, name, tmp_path):
    """The data folder, where an option cannot do without one."""
    text = (CONF / group / f"{name}.yaml").read_text()
    folders = [data for data in options("data") if "root: ???" in (CONF / "data" / f"{data}.yaml").read_text()]
    needs = "root: ???" in text or any(f"/data: {data}" in text for data in folders)
    return [f"data.root={tmp_path}"] if needs else []


# Those of evaluate.yaml have tests of their own.
ELSEWHERE = ("experiment", "anonymizer", "comparison", "judges", "metrics", "people", "__pycache__")


@pytest.mark.parametrize("group", sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name not in ELSEWHERE))
def test_every_option_of_every_group_composes(group, tmp_path):
    for name in options(group):
        composed([f"{group}={name}", *missing(group, name, tmp_path)])


@pytest.mark.parametrize("name", options("generator"))
def test_generators_and_their_discriminators_instantiate(name):
    config = composed([f"generator={name}"])
    with torch.device("meta"):  # shapes without memory
        generator = Generator(**OmegaConf.to_container(config.generator))
        discriminator = instantiate(config.discriminator, _convert_="all")
    assert (discriminator.size, discriminator.classes) == (generator.size, generator.classes)


def test_the_default_bundle_is_small():
    with torch.device("meta"):
        generator = Generator(**OmegaConf.to_container(composed(["generator=clinical"]).generator))
    assert sum(p.numel() for p in generator.parameters()) <= 8e6  # the design's limit


def test_published_sizes_have_the_published_number_of_parameters():
    """20.2 million, as counted in the published code at 256 px."""
    with torch.device("meta"):
        generator = Generator(**OmegaConf.to_container(composed(["generator=px256"]).generator))
    trained = sum(p.numel() for name, p in generator.named_parameters() if "attributes" not in name)
    assert trained == pytest.approx(20.2e6, rel=5e-3)


@pytest.mark.parametrize("name", options("experiment"))
def test_experiments_instantiate_at_tiny_size(name, tmp_path):
    config = composed([f"experiment={name}", "generator=tiny", "encoder=tiny", "segmenter=tiny", *missing("experiment", name, tmp_path)])
    if config.stage.get("passes"):  # stage 3 goes on from an autoencoder
        start = Autoencoder(generator=OmegaConf.to_container(config.generator), encoder=OmegaConf.to_container(config.encoder), bank=0)
        bundle.save(tmp_path / "start", start, provenance={}, licence="CC0", card="#")
        config.stage.module.objective.network.start = str(tmp_path / "start")
    module = instantiate(config.stage.module, _convert_="all")
    network = module.ema.network
    assert network.size == 32
    assert instantiate(config.trainer, logger=False, accelerator="cpu", devices=1).max_epochs == -1
    callbacks = {key: type(instantiate(c)).__name__ for key, c in config.callbacks.items()}
    if isinstance(network, Generator):
        measured = {"throughput": "Throughput", "curve": "FrechetCurve"}
        assert callbacks == {"progress": "ImagesBar", "snapshots": "Snapshots", "sheet": "Samples", **measured}
        path = ["path"] if config.stage.path_every else []
        assert [p.name for p in module.objective.phases if p.every] == ["discriminator", "r1", "generator", *path]
    elif isinstance(network, Segmenter):
        assert callbacks == {"progress": "ImagesBar", "snapshots": "Snapshots", "throughput": "Throughput"}
        assert config.data.dataset.size == 32
    else:
        assert callbacks == {"progress": "ImagesBar", "throughput": "Throughput", "snapshots": "Snapshots", "sheet": "Reconstructions"}


def leaves(node, way=()):
    """The way to each plain value."""
    if isinstance(node, dict) and node:
        return [leaf for key, value in node.items() for leaf in leaves(value, (*way, key))]
    return [way]


@pytest.mark.parametrize("name", [name for name in options("stage") if name != "base"])
def test_a_stages_settings_are_at_most_three_levels_deep_and_its_module_only_hands_them_on(name):
    stage = OmegaConf.to_container(composed([f"stage={name}"]).stage)
    module = stage.pop("module")
    assert not [way for way in leaves({"stage": stage}) if len(way) > 3]
    shared = {key: stage[key] for key in ("schedule", "ema")} | {"seed": 0}
    assert {key: module[key] for key in shared} == shared
    other = composed([f"stage={name}", "stage.ema.half_life=77", "stage.schedule.warm_up=0.33", "seed=5"]).stage.module
    assert (other.ema.half_life, other.schedule.warm_up, other.seed) == (77, 0.33, 5)


@pytest.mark.parametrize("primary", ["train", "evaluate"])
def test_no_setting_of_any_group_is_deeper_than_three_levels(primary):
    """What lies deeper is built, not set: in ``stage.module`` and in a metric's ``measure``, which the settings are handed to."""
    several = ("anonymizer", "judges", "metrics", "callbacks")
    with initialize_config_module("vera.conf", version_base="1.3"):
        default = compose(primary, ["run.folder=/tmp/unused"], return_hydra_config=True)
        groups = {str(group).partition("@")[0] for group in default.hydra.runtime.choices} - {"experiment", "sweep", "comparison"}
        chosen = {group: options(group) for group in groups if not group.startswith("hydra/")}
        chosen = {group: [f"[{','.join(names)}]"] if group in several else names for group, names in chosen.items()}
        deep = set()
        for number in range(max(map(len, chosen.values()))):  # the options of all groups side by side: to compose takes half a second
            overrides = [f"{group}={names[number % len(names)]}" for group, names in chosen.items()]
            for way in leaves(OmegaConf.to_container(compose(primary, ["run.folder=/tmp/unused", *overrides]), resolve=False)):
                built = way[:2] == ("stage", "module") or (way[0] == "metrics" and way[2] == "measure")
                values = way[0] == "attributes" and way[2:3] == ("ranges",)  # one value: a range for each name
                if len(way) > 3 and not built and not values:
                    deep.add(".".join(map(str, way)))
    assert deep == set()


def test_no_override_that_anybody_is_told_is_deeper_than_three_levels():
    root = CONF.parent
    groups = "|".join(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("hydra", "__pycache__"))
    override = re.compile(rf"(?<![\w./]){'(?:' + groups + ')'}(?:\.\w+){{3,}}(?==)")
    folders = [root / folder for folder in ("conf", "docs", "experiments", "benchmarks")]
    texts = [root / "README.md", *(path for folder in folders for path in folder.rglob("*.*"))]
    read = {path: path.read_text(encoding="utf-8") for path in texts if path.suffix in (".md", ".yaml", ".py", ".ipynb")}
    assert {path: found for path, text in read.items() if (found := override.findall(text))} == {}


def test_a_stage_brings_its_optimizer_and_callbacks():
    config = composed(["stage=generator"])
    assert config.optim.betas == [0.0, 0.99]
    assert "curve" in config.callbacks
    assert composed(["stage=generator", "optim=adam"]).optim.betas == [0.9, 0.99]  # who asks for another gets it


def test_the_parsers_faces_are_corrupted_on_the_device_only(tmp_path):
    config = composed(["experiment=parser", f"data.root={tmp_path}"])
    assert config.datamodule.augment is None
    assert config.datamodule.dataset.size == config.segmenter.size == 256
    assert config.images // config.batch_size > 2000


def test_augmentation_is_adaptive_by_option():
    config = composed(["experiment=smoke_generator", "augmentation=adaptive"])
    objective = instantiate(config.stage.module, _convert_="all").objective
    assert objective.strength.target == 0.6
    assert {"flip", "hue"} <= objective.augmentation.operations


def test_the_published_training_is_150k_steps():
    config = composed(["experiment=celebamask512", "data.root=/unused"])
    assert config.images // config.batch_size == 150_000
    assert config.batch_size // config.trainer.devices == 4
    assert (config.generator.size, config.trainer.strategy) == (512, "ddp_find_unused_parameters_true")


def test_mosaics_are_augmented_and_other_data_are_not(tmp_path):
    config = composed(["data=mosaics", f"data.root={tmp_path}"])
    assert type(instantiate(config.datamodule.augment)).__name__ == "Augment"
    assert composed(["data=procedural"]).datamodule.augment is None


def test_the_log_is_on_disk_while_a_run_goes_on(tmp_path):
    logger = instantiate(composed(["logger=csv", f"run.folder={tmp_path}"]).logger)
    for images in (16, 32):
        logger.log_metrics({"loss": 1.0}, step=images)
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 3
