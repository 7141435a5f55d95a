"""Every command in the manual is one that exists: it parses, and its configuration composes with nothing missing."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from vera.attributes.encoder import AttributeEncoder, encoder_config
from vera.cli.app import COMMANDS, load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "experiments").glob("*/README.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
HYDRAS = {"train", "evaluate"}


def fences(language, pages=PAGES):
    return [(page, text) for page in pages for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands():
    """``vera`` lines of all fences of commands and scripts, once each."""
    texts = [(page, text.replace("\\\n", " ")) for page, text in [*fences(""), *fences("text")]]
    lines = [(page, line) for page, text in texts for line in re.findall(r"^(?:srun )?(vera .*?)(?: \|\| .*)?$", text, re.MULTILINE)]
    return list(dict.fromkeys((str(page.relative_to(ROOT)), line) for page, line in lines))


def commands_of_hydra():
    return [(page, line) for page, line in commands() if line.split()[1] in HYDRAS]


def words(line):
    return shlex.split(line, comments=True)[1:]


@pytest.fixture(scope="module")
def configurations(tmp_path_factory):
    """What the manual tells its readers to write, written."""
    folder = tmp_path_factory.mktemp("docs")
    for _, text in fences("yaml"):
        if named := re.match(r"# (\S+\.yaml)\n", text):
            (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / named[1]).write_text(text)
    return folder


def composed(line, configurations):
    """The configuration of a line's first run."""
    name, *overrides = words(line)
    arguments = []
    while overrides:
        word = overrides.pop(0)
        if word == "--config-dir":
            arguments.append(f"hydra.searchpath=[file://{configurations / overrides.pop(0)}]")
        elif word not in ("-m", "--help", "..."):
            (override,) = OverridesParser.create().parse_overrides([word])
            first = next(override.sweep_string_iterator()) if override.is_sweep_override() else None
            arguments.append(word if first is None else f"{override.get_key_element()}={first}")
    unnamed = [] if any(word.startswith("run.folder=") for word in arguments) else ["run.folder=/tmp/unused"]
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose(name, [*unnamed, *arguments], return_hydra_config=True)


def test_the_manual_has_commands_of_every_kind():
    told = {line.split()[1] for _, line in commands()}
    assert {"train", "evaluate", "anonymize", "export", "sample", "edit", "data", "report", "convert", "doctor"} <= told


@pytest.mark.parametrize(("page", "line"), commands_of_hydra())
def test_a_command_composes(page, line, configurations):
    config = composed(line, configurations)
    del config.hydra
    OmegaConf.resolve(config)
    if "..." not in line and "--help" not in line:
        assert not OmegaConf.missing_keys(config)


@pytest.mark.parametrize(("page", "line"), [entry for entry in commands() if entry not in commands_of_hydra()])
def test_a_command_parses(page, line):
    name, *rest = words(line)
    context = load(name).make_context(name, rest)
    while hasattr(command := context.command, "commands"):  # of click, or of typer's own copy of it
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_named_in_passing_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"`vera (\w+)", text)) <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    for script in re.findall(r"python (experiments/\S+\.py)", text):
        assert (ROOT / script).is_file()


def test_own_configurations_describe_parts_that_take_these_arguments(configurations):
    from inspect import signature

    from hydra._internal.utils import _locate  # what Hydra itself finds a class with

    (file,) = configurations.rglob("embedded.yaml")
    encoder = encoder_config(yaml.safe_load(file.read_text())["emotion"])
    signature(_locate(encoder.pop("_target_"))).bind(**encoder)


@pytest.mark.parametrize(("page", "text"), fences("python"), ids=lambda value: value.name if isinstance(value, Path) else "")
def test_snippets_import_what_there_is(page, text):
    """Imports and classes of a snippet are run; what needs photographs is only read."""
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef))]
    names = {}
    exec(compile(tree, str(page), "exec"), names)
    for kind in names.values():
        if isinstance(kind, type) and issubclass(kind, AttributeEncoder) and kind is not AttributeEncoder:
            encoder = kind(ranges={"opening": [0.005, 0.02]})
            assert encoder(torch.zeros(2, 3, 8, 8), torch.rand(2, 13, 8, 8)).shape == (2, encoder.width)
