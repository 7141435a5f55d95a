"""A run's folder that somebody else made: nothing that it names runs, and each is one sentence."""

from contextlib import suppress

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from vera.attributes.encoder import AttributeEncoder
from vera.data.folder import FolderDataset
from vera.data.procedural import ProceduralFaces
from vera.data.sample import FaceDataset
from vera.training.export.api import Statement, export
from vera.training.export.autoencoder import BankSettings, _require_faces
from vera.training.runs.stored import ELSEWHERE, build, find_class, read_config
from vera.types import VeraError

DATASET = {"_target_": "vera.data.procedural.ProceduralFaces", "size": 16, "count": 8, "seed": 0}
ENCODER = {"_target_": "vera.attributes.illumination.SkinShading", "ranges": {"light_right": [-1, 1]}}
HOSTILE = [
    "torch.load", "os.system", "subprocess.Popen", "builtins.eval", "pathlib.Path.touch", "hydra.utils.instantiate",
    "vera.cli.__main__.main", "vera.cli.__main__.X", "vera.cli.main", "vera.cli.evaluation.ours", "vera.cli.train.train",
    "vera", "vera.data", "", ".", "vera..data", "vera.data.folder.FolderDataset.__init__", "vera.data._private.X", "verax.data.X",
    "pytorch_lightning.Trainer.fit", "pytorch_lightning.callbacks.LambdaCallback", "a b c", "vera.data.folder.\u202eX", 3, None,
    ["os.system"], {"_target_": "os.system"},
]  # fmt: skip
MERELY_NAMED = [
    "vera.data.folder.Path", "vera.data.folder.np", "vera.data.folder.Image.open", "vera.training.runs.run.instantiate",
    "vera.data.people.folder", "vera.data.folder", "vera.data.nothing.X", "vera.data.folder.Nothing", "vera.files.os.system",
    "vera.training.runs.run.torch.load", "vera.data.folder.FolderDataset.root", "vera.bundle.importlib.import_module", "vera.bundle.save",
]  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "config.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def test_what_vera_train_wrote_is_read_and_built(written):
    config = read_config(written({"datamodule": {"dataset": DATASET}, "attributes": {"light": {"encoder": ENCODER}}}))
    assert isinstance(build(config, "datamodule.dataset", FaceDataset, packages=("data",), what="x"), ProceduralFaces)
    assert build(config, "attributes.light.encoder", AttributeEncoder, packages=("attributes",), what="x").width == 1


@pytest.mark.parametrize("target", HOSTILE, ids=repr)
@pytest.mark.parametrize("place", ["there", "in a list", "deep in arguments"])
def test_foreign_targets_are_refused_wherever_they_stand(written, target, place, monkeypatch):
    node = {"_target_": target, "_args_": ["touch"]}
    value = {"there": node, "in a list": [1, [node]], "deep in arguments": {"_args_": [{"a": {"_partial_": True, "b": node}}]}}[place]
    monkeypatch.setattr("vera.training.runs.stored.importlib.import_module", lambda name: pytest.fail(f"{name} was imported"))
    with pytest.raises(VeraError, match="only parts of the package vera are built") as told:
        read_config(written({"datamodule": {"dataset": DATASET}, "callbacks": value}))
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("target", MERELY_NAMED)
def test_a_path_must_end_at_a_class_where_it_is_defined(target):
    with pytest.raises(VeraError, match=r"no class of this version|only parts of the package"):
        find_class(target, what="x")
    assert find_class("vera.data.folder.FolderDataset", what="x") is FolderDataset


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (None, "does not describe"),
        ([], "does not describe"),
        ({"size": 16}, "does not describe"),
        ({"_target_": "vera.training.runs.run.train", "config": {}}, "no class"),
        ({"_target_": "vera.training.runs.sweep.Study"}, "only classes of vera.data belong"),
        ({"_target_": "vera.generator.network.Generator"}, "only classes of vera.data belong"),
        ({"_target_": "vera.data.augment.Augment"}, "no FaceDataset"),
        ({"_target_": "vera.data.people.Person"}, "no FaceDataset"),
        (DATASET | {"_partial_": True}, "no whole FaceDataset"),
        (DATASET | {"more": 1}, "cannot be built"),
        (DATASET | {"more": {"_target_": "vera.training.runs.sweep.Study"}}, "only classes of vera.data belong"),
        ({"_target_": "pytorch_lightning.Trainer"}, "no class"),
        ({"_target_": "vera.data.folder.FolderDataset", "root": "/nowhere", "size": 8, "pattern": "*", "cache": False}, "no folder"),
    ],
    ids=repr,
)
def test_what_is_built_is_of_its_kind(written, node, says):
    config = read_config(written({"datamodule": {"dataset": node}}))
    with pytest.raises(VeraError, match=says):
        build(config, "datamodule.dataset", FaceDataset, packages=("data",), what="x")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "a: [", "a: 1\na: 2", "\t", "a: &x [1]\nb: *x", "a: !!python/object/apply:os.system ['true']", "a: !x 3",
        "a: ${oc.env:HOME}", "a: ${b}\nb: 1", "${a}: 1", "a: ['${oc.env:HOME}']", "a: " + "[" * 5000 + "]" * 5000, "a: .nan", "a: .inf",
        "\x00", "a: " + "x" * 300_000, "? [1, 2]\n: 3",
    ],
    ids=lambda text: repr(text[:20]),
)  # fmt: skip
def test_what_is_no_configuration_of_a_run(written, text):
    with pytest.raises(VeraError) as told:
        read_config(written(text))
    assert len(str(told.value).splitlines()) == 1


def test_what_vera_writes_itself_is_all_allowed(tmp_path):
    from hydra import compose, initialize_config_module

    with initialize_config_module("vera.conf", version_base="1.3"):
        for number, overrides in enumerate(
            (["stage=generator"], ["stage=contrastive"], ["stage=inversion"], ["stage=parsing"], ["logger=wandb"])
        ):
            config = compose("train", [*overrides, "run.folder=x"])
            OmegaConf.save(config, tmp_path / f"{number}.yaml", resolve=True)
            assert read_config(tmp_path / f"{number}.yaml") == OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    assert all(name.startswith("pytorch_lightning.") for name in ELSEWHERE)


@settings(max_examples=80, deadline=None, database=None)
@given(text=st.text(alphabet="a:-[]{}&*!|>'\"#%@,? \n\t0${}_", max_size=60) | st.text(max_size=40))
def test_any_text_is_a_configuration_or_one_sentence(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(VeraError):
        read_config(path)


AUTOENCODER = "vera.inversion.autoencoder.Autoencoder"
STATE = {"stage": "generator", "images_seen": 1, "ema": {}, "networks": {}}


@pytest.mark.parametrize(
    "state",
    [
        None, [], {}, {"stage": "generator"}, STATE, STATE | {"stage": 3}, STATE | {"images_seen": "1"}, STATE | {"ema": []},
        STATE | {"networks": None}, STATE | {"networks": {"generator": None}}, STATE | {"stage": "stage 9"},
        STATE | {"stage": "contrastive", "networks": {"generator": {}}},
        STATE | {"stage": "parsing", "networks": {"segmenter": {"class": "os.system", "config": {}}}},
        STATE | {"stage": "autoencoder", "ema": {"a": 1}, "networks": {"autoencoder": {"class": AUTOENCODER, "config": {}}}},
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_checkpoint_is_one_sentence(tmp_path, state):
    torch.save({"vera": state}, tmp_path / "last.ckpt")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"datamodule": {"dataset": DATASET}}))
    options = {"statement": Statement(licence="CC0", card="#", data="none"), "bank": BankSettings(identities=4, seed=0, pattern=None)}
    with pytest.raises(VeraError) as told:
        export(tmp_path, tmp_path / "b", checkpoint="last.ckpt", discriminator=None, exact=False, **options)
    assert len(str(told.value).splitlines()) == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("wrong", [{"size": "x"}, {"size": -1}], ids=repr)
def test_a_data_set_that_gives_no_faces_is_one_sentence(wrong):
    with pytest.raises(VeraError, match="no usable faces"):
        _require_faces(ProceduralFaces(**{"size": 16, "count": 8, "seed": 0, **wrong}))


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x80\x04cos\nsystem\n(S'true'\ntR."], ids=repr)
def test_what_is_no_checkpoint_is_one_sentence(tmp_path, content):
    (tmp_path / "last.ckpt").write_bytes(content)
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with pytest.raises(VeraError, match=r"last.ckpt' (cannot be read|was not written)"):
        export(tmp_path, tmp_path / "b", checkpoint="last.ckpt", statement=None, bank=None, discriminator=None, exact=False)
