"""Bundles that somebody else made: each is one sentence, nothing runs, and nothing large is built."""

import json
import resource
import shutil
import sys
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from vera import bundle
from vera.generator.discriminator import Discriminator
from vera.types import VeraError

TINY = {"size": 8, "classes": 13, "channels": {"4": 4, "8": 4}, "group": 4}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "b"
    bundle.save(path, Discriminator(**TINY), provenance={"images_seen": 3}, licence="CC0", card="#", dtype=torch.float32)
    return path


@pytest.fixture
def forged(sound, tmp_path):
    """A bundle with another record or other weights, and a digest that fits them."""

    def forge(*, weights=None, **changes):
        path = tmp_path / "forged"
        shutil.copytree(sound, path)
        if weights is not None:
            save_file(weights, path / bundle.WEIGHTS)
        record = {**json.loads((path / bundle.RECORD).read_text()), **{n: v for n, v in changes.items() if v is not ...}}
        for name in [name for name, value in changes.items() if value is ...]:
            del record[name]
        if "digest" not in changes and {"class", "config", "licence", "provenance", "format"} <= record.keys():
            record["digest"] = bundle._digest(path / bundle.WEIGHTS, record)
        (path / bundle.RECORD).write_text(json.dumps(record))
        return path

    return forge


def refused(path, says="."):
    with pytest.raises(VeraError, match=says) as told:
        bundle.load(path)
    assert len(str(told.value).splitlines()) == 1
    assert len(str(told.value)) < 600


def test_what_was_changed_in_nothing_loads(forged):
    assert bundle.load(forged()).info.provenance == {"images_seen": 3}


@pytest.mark.parametrize("name", ["class", "config", "licence", "provenance", "digest", "format"])
@pytest.mark.parametrize("value", [None, 3, True, [], ["x"], ...], ids=repr)
def test_a_field_of_another_type_or_missing(forged, name, value):
    refused(forged(**{name: value}))


@pytest.mark.parametrize("name", ["class", "licence", "digest"])
def test_a_mapping_where_a_text_belongs(forged, name):
    refused(forged(**{name: {"a": 1}}), name)


@pytest.mark.parametrize("name", ["config", "provenance"])
def test_a_text_where_a_mapping_belongs(forged, name):
    refused(forged(**{name: "text"}), name)


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "builtins.eval", "torch.nn.Linear", "torch.load", "vera.cli.__main__.main", "vera.cli.__main__.X", "vera.cli.main",
        "vera.features.lpips_network.LpipsNetwork", "vera.features.efficientnet.EfficientNetLite0", "vera.generator.network.nn.Module",
        "vera.generator.network.Mapping", "vera.training.runs.run.train", "vera.bundle.load", "vera", "vera.", ".", "", "Generator",
        "vera.generator.network.Generator ", "vera.generator.network..Generator", "..vera.generator.Generator", "a\nb", "x" * 10_000,
    ],
)  # fmt: skip
def test_a_class_that_is_not_on_the_list_is_not_even_imported(forged, name, monkeypatch):
    monkeypatch.setattr("vera.bundle.importlib.import_module", lambda module: pytest.fail(f"{module} was imported"))
    refused(forged(**{"class": name}), "only Generator, ControlledGenerator, .* are loaded")


@pytest.mark.parametrize("key", ["_target_", "class"])
def test_a_class_within_the_configuration_is_on_the_list_too(forged, key):
    refused(forged(config=TINY | {"inner": [{"a": {key: "os.system"}}]}), "only Generator, .* are loaded")


@pytest.mark.parametrize(
    "config",
    [
        {}, {"size": 8}, TINY | {"more": 1}, TINY | {"size": "8"}, TINY | {"size": None}, TINY | {"size": -8}, TINY | {"size": 0},
        TINY | {"size": 9}, TINY | {"size": 16}, TINY | {"channels": {}}, TINY | {"channels": []}, TINY | {"channels": {"four": 4}},
        TINY | {"channels": {"4": 4, "8": 8}}, TINY | {"channels": {"4": -4, "8": 4}}, TINY | {"classes": 12}, TINY | {"classes": -1},
        TINY | {"classes": 10**9}, TINY | {"channels": {"4": 60_000, "8": 60_000}}, TINY | {"size": 1 << 40}, TINY | {"size": 1.5},
        TINY | {"group": {"_target_": "os.system"}},
    ],
    ids=repr,
)  # fmt: skip
def test_a_configuration_that_does_not_fit_the_weights(forged, config):
    path = forged(config=config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes; 60,000 channels would take gigabytes


def test_weights_that_do_not_fit_or_are_not_finite(forged, sound, tmp_path):
    own = load_file(sound / bundle.WEIGHTS)
    name = next(iter(own))
    wrong = own[name].clone()
    wrong.flatten()[0] = float("nan")
    for number, (weights, says) in enumerate(
        [
            ({}, "missing"),
            ({**own, "more": torch.zeros(1)}, "'more' is not of this network"),
            ({**own, name: own[name][..., :1].contiguous()}, "is .* not"),
            ({**own, name: wrong}, "not finite"),
            ({**own, name: torch.full_like(own[name], float("inf"))}, "not finite"),
            ({**own, name: own[name].to(torch.int64)}, "int64"),
            ({**own, name: own[name].to(torch.complex64)}, "complex64"),
        ]
    ):
        refused(forged(weights=weights), says)
        shutil.move(tmp_path / "forged", tmp_path / str(number))


def test_a_record_nested_without_end_and_one_without_end(forged):
    path = forged()
    text = (path / bundle.RECORD).read_text()
    (path / bundle.RECORD).write_text(text.replace('"images_seen": 3', '"a": ' + "[" * 200_000 + "]" * 200_000))
    refused(path, "nested")
    (path / bundle.RECORD).write_text(text.replace('"CC0"', json.dumps("x" * (5 << 20))))
    refused(path, "larger than")
    (path / bundle.RECORD).write_text(text.replace('"images_seen": 3', '"images_seen": NaN'))
    refused(path, "not finite")


def test_older_paths_are_known_by_their_aliases(forged, monkeypatch):
    path = forged(**{"class": "vera.judges.Discriminator"})
    refused(path, "are loaded")
    monkeypatch.setitem(bundle.ALIASES, "vera.judges.Discriminator", "Discriminator")
    assert type(bundle.load(path)) is Discriminator


def test_everything_on_the_list_is_defined_where_it_says():
    for name, path in bundle.LOADABLE.items():
        kind = bundle.loadable(path, source="x")
        assert (kind.__name__, f"{kind.__module__}.{kind.__qualname__}") == (name, path)


def test_only_what_can_be_read_again_is_written(tmp_path):
    with pytest.raises(VeraError, match="LOADABLE"):
        bundle.save(tmp_path / "b", torch.nn.Linear(1, 1), provenance={}, licence="CC0", card="#")
    assert not list(tmp_path.iterdir())


def test_loading_leaves_the_random_numbers_as_one_construction_does(sound):
    torch.manual_seed(0)
    Discriminator(**TINY)
    expected = torch.rand(3)
    torch.manual_seed(0)
    bundle.load(sound)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("described", [None, [], {}, {"class": 3}, {"class": bundle.LOADABLE["Discriminator"]}, "x"], ids=repr)
def test_what_a_checkpoint_says_is_checked_alike(described):
    with pytest.raises(VeraError):
        bundle.rebuild(described, {}, source="the checkpoint")


@pytest.mark.parametrize("tensors", [None, [], {"a": 1}, {"a": None}], ids=repr)
def test_what_a_checkpoint_holds_is_checked_alike(tensors):
    with pytest.raises(VeraError):
        bundle.rebuild({"class": bundle.LOADABLE["Discriminator"], "config": TINY}, tensors, source="the checkpoint")


def test_a_configuration_that_holds_itself():
    config = dict(TINY)
    config["group"] = config
    with pytest.raises(VeraError, match="texts, numbers"):
        bundle.rebuild({"class": bundle.LOADABLE["Discriminator"], "config": config}, {}, source="the checkpoint")


@settings(max_examples=60, deadline=None, database=None)
@given(data=st.data())
def test_any_bytes_in_a_record_are_one_sentence(sound, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    if not path.exists():
        shutil.copytree(sound, path)
    content = bytearray((sound / bundle.RECORD).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (path / bundle.RECORD).write_bytes(bytes(content))
    with suppress(VeraError):
        bundle.load(path)


def test_the_command_line_does_not_run_when_it_is_imported():
    sys.modules.pop("vera.cli.__main__", None)
    import vera.cli.__main__

    assert vera.cli.__main__.main
