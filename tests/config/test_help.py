"""The help of ``vera train`` and ``vera evaluate``: what it lists is what there is, and its examples compose."""

import re
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from vera.cli.evaluate import ABOUT as OF_EVALUATE
from vera.cli.hydra import usage
from vera.cli.train import ABOUT as OF_TRAIN

CONF = Path(__file__).parents[2] / "conf"
ABOUT = {"train": OF_TRAIN, "evaluate": OF_EVALUATE}
EXAMPLE = re.compile(r"^  vera (train|evaluate) (.*?)(?:\s+#.*)?$", re.MULTILINE)


@pytest.mark.parametrize("config", ABOUT)
def test_every_group_is_listed_with_all_that_can_be_chosen(config):
    text = usage(config, ABOUT[config])
    plain = next(part + "\n" for part in text.split("\n\n") if part.startswith("Groups"))
    primary = yaml.safe_load((CONF / f"{config}.yaml").read_text())
    for group, chosen in (pair for entry in primary["defaults"] if isinstance(entry, dict) for pair in entry.items()):
        names = {file.stem for file in (CONF / group).glob("*.yaml")}
        if f"\n{group}=NAME" in text:  # experiments and the like, a line each
            (block,) = re.findall(rf"^{group}=NAME.*\n((?:  .*\n)+)", text, re.MULTILINE)
            told = {line.split()[0] for line in block.splitlines()}
            assert all(len(line) <= 140 and len(line.split()) > 3 for line in block.splitlines())
        else:
            (block,) = re.findall(rf"^  {group} +((?:.*\n)(?:  {' ' * len(group)}  +\S.*\n)*)", plain, re.MULTILINE)
            told = {name.strip() for name in block.replace("*", "").replace("\n", " ").split(",")}
            names -= {"base"}
            defaults = {name.strip(" *\n") for name in block.split(",") if name.strip().endswith("*")}
            assert defaults == (set() if "$" in str(chosen) else set(chosen) if isinstance(chosen, list) else {chosen})
        assert told == names


@pytest.mark.parametrize(("config", "arguments"), [found for text in ABOUT.values() for found in EXAMPLE.findall(text)])
def test_an_example_composes_with_nothing_missing(config, arguments):
    overrides = [word for word in arguments.split() if word != "-m"]
    with initialize_config_module("vera.conf", version_base="1.3"):
        composed = compose(config, ["run.folder=unused", *overrides] if "run.folder=" not in arguments else overrides)
    OmegaConf.resolve(composed)
    assert not OmegaConf.missing_keys(composed)
