"""What goes wrong in libraries and in the system is one sentence and exit code 2; a fault of the program is one sentence and 1."""

import errno
import json
import shutil

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vera import bundle
from vera.cli.errors import told
from vera.cli.settings import TRAIN, Range, require_settings
from vera.types import Refused, VeraError


def one_line(stderr):
    lines = [line for line in stderr.splitlines() if line.strip()]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("vera: ")
    assert "Traceback" not in stderr
    return lines[0]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (VeraError("a\nb"), 2, "a b"),
        (Refused("no"), 3, "no"),
        (OSError(errno.ENOSPC, "No space left on device", "/out"), 2, "'/out': No space left on device; free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "/out"), 2, "'/out': Permission denied; check its permissions"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), 2, "check the path"),
        (OSError(errno.EIO, "Input/output error"), 2, "Input/output error"),
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 2, "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), 2, "not enough memory"),
        (SafetensorError("header too large"), 2, "damaged (header too large)"),
        (yaml.YAMLError("x"), 2, "a YAML file cannot be read"),
        (RuntimeError("shape mismatch of anna.jpg"), 1, "internal error (RuntimeError)"),
        (OSError("raised by hand"), 1, "internal error (OSError)"),
        (ZeroDivisionError("anna"), 1, "internal error (ZeroDivisionError)"),
        (RecursionError("anna"), 1, "internal error (RecursionError)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_has_its_sentence_and_code(error, code, says):
    said, found = told(error)
    assert (found, says in said, "\n" in said, "anna" in said) == (code, True, False, False), said


def test_no_sentence_for_a_library_is_out_of_date():
    """The classes are known by their names: each must be there under its name."""
    import importlib

    from vera.cli.errors import SENTENCES

    for name in SENTENCES:
        module, _, last = name.rpartition(".")
        kind = getattr(importlib.import_module(module), last)
        assert f"{kind.__module__}.{kind.__qualname__}" == name


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("optim.lr", -1, "optim.lr=-1: give a number above 0"),
        ("optim.lr", float("nan"), "optim.lr=nan: give a number above 0"),
        ("optim.lr", None, "optim.lr=None: give a number above 0"),
        ("optim.lr", True, "give a number above 0"),
        ("optim.betas", [0.5], "give 2 numbers from 0 to 1"),
        ("optim.betas", [2, 3], "give 2 numbers from 0 to 1"),
        ("optim.betas", 0.5, "give 2 numbers from 0 to 1"),
        ("images", "many", "images=many: give a whole number from 1"),
        ("images", -1, "images=-1: give a whole number from 1"),
        ("batch_size", 0, "batch_size=0: give a whole number from 1"),
        ("batch_size", 1.5, "batch_size=1.5: give a whole number from 1"),
        ("batch_size", {"a": 1}, "give a whole number from 1"),
        ("seed", -1, "seed=-1: give a whole number from 0 to 4294967295"),
        ("seed", "x", "seed=x: give a whole number from 0"),
        ("generator.size", "big", "generator.size=big: give a whole number from 1"),
        ("data.workers", -1, "data.workers=-1: give a whole number from 0"),
        ("stage.per_device", 0, "give a whole number from 1, or null"),
        ("stage.ema.half_life", 0, "give a number above 0"),
    ],
    ids=str,
)
def test_numbers_that_no_training_takes(key, value, says):
    require_settings(OmegaConf.create({}), TRAIN)
    config = OmegaConf.create({})
    OmegaConf.update(config, key, value)
    with pytest.raises(VeraError, match=says):
        require_settings(config, TRAIN)


TINY = ["generator=tiny", "encoder=tiny"]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["data=folder"], "data.root is not given: add data.root=VALUE"),
        (["optim.lr=abc"], "optim.lr=abc: give a number above 0"),
        (["stage.start=/nope"], "no bundle at '/nope'"),
        (["optim.lrr=1"], "no setting 'optim.lrr': did you mean 'optim.lr'?"),
        (["stage.module.game.weights.face=2"], "did you mean 'stage.weights.face'?"),
        (["attributes.pose.encoder.yaw=[1,2,3]"], "did you mean 'attributes.pose.yaw'? An encoder's arguments lie in its attribute"),
        (["optm.lr=1"], "no setting 'optm.lr': did you mean 'optim.lr'?"),
        (["stage=genrator"], "did you mean generator?"),
        (["+trainer.nope=1"], "the configuration's 'trainer' does not fit"),
        (["stage.module._target_=os.nope"], "Error locating target 'os.nope'"),
        (["run.folder=/proc/nope/x"], "'/proc/nope': No such file or directory"),
        (["stage=3"], "cannot be composed: Config group override must be a string"),
        (["a b"], "is no override: write NAME=VALUE"),
        (["images=${nope}"], "cannot be read"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_vera_train_with_a_slip(vera, tmp_path, monkeypatch, overrides, says):
    monkeypatch.chdir(tmp_path)
    code, _, stderr = vera("train", *TINY, "images=8", "run.folder=run", *overrides)
    assert code == 2
    assert says in one_line(stderr)


def test_a_gpu_that_is_not_there(vera, tmp_path, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    monkeypatch.chdir(tmp_path)
    code, _, stderr = vera("train", *TINY, "trainer=gpu", "images=8")
    assert code == 2
    assert "the trainer cannot be set up" in one_line(stderr)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "people.path is not given: add people.path=VALUE"),
        (["people=folder", "people.root=.", "batch_size=0"], "batch_size=0: give a whole number from 1"),
        (["people=fodler"], "did you mean folder?"),
    ],
    ids=str,
)
def test_vera_evaluate_with_a_slip(vera, tmp_path, monkeypatch, overrides, says):
    monkeypatch.chdir(tmp_path)
    code, _, stderr = vera("evaluate", *overrides)
    assert code == 2
    assert says in one_line(stderr)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sample", "--n", "1000000000"], "one call makes up to 100,000"),
        (["sample", "--truncation", "nan"], "choose a value from 0 to 4"),
        (["edit", "mouth_width=nan"], "give a number that is finite"),
        (["edit", "mouth_width=-inf:1"], "give a number that is finite"),
        (["edit", "mouth_width=1e38"], "not finite"),
        (["edit", "mouth_width=0:1", "--steps", "1000000000"], "one call makes up to 100,000"),
        (["edit", "mouth_width=0", "--truncation", "nan"], "choose a value from 0 to 4"),
        (["edit", "nose_size=1"], "no control called nose_size"),
        (["anonymize", "nope.jpg", "--preserve", "tooth"], "did you mean 'teeth'"),
        (["anonymize", "nope.jpg", "--preserve", "leftlid"], "the names are background"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_values_that_no_face_has(vera, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, _, stderr = vera(*arguments, "--out", tmp_path / "out")
    assert code == 2
    assert says in one_line(stderr)
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("command", [["sample", "--n", "1"], ["edit", "yaw=1"]], ids=lambda command: command[0])
def test_a_bundle_of_numbers_that_are_not_finite(vera, tmp_path, command):
    path = tmp_path / "nan"
    shutil.copytree(bundle.controlled_bundle(), path)
    tensors = load_file(path / bundle.WEIGHTS)
    name = max(tensors, key=lambda one: tensors[one].numel())
    tensors[name].flatten()[0] = float("nan")
    save_file(tensors, path / bundle.WEIGHTS)
    record = json.loads((path / bundle.RECORD).read_text())
    record["digest"] = bundle._digest(path / bundle.WEIGHTS, record)
    (path / bundle.RECORD).write_text(json.dumps(record))
    code, _, stderr = vera(*command, "--bundle", path, "--out", tmp_path / "out")
    assert code == 2
    assert "holds numbers that are not finite" in one_line(stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fact", [None, "text", 3, [], {"yaw": 3}, {"yaw": {"explained": "much"}}, {"yaw": {}}], ids=repr)
def test_a_record_of_controls_that_says_something_else(vera, tmp_path, monkeypatch, fact):
    network = bundle.load(bundle.controlled_bundle())
    network.info.provenance["controls"] = fact
    monkeypatch.setattr("vera.bundle.load", lambda path, device: network)
    assert vera("edit", "yaw=1", "--out", tmp_path / "out")[0] == 0


def test_vera_export_of_a_run_that_somebody_else_made(vera, tmp_path):
    (tmp_path / "card.md").write_text("# card")
    torch.save({"vera": {"stage": "autoencoder", "images_seen": 1, "ema": {}, "networks": {}}}, tmp_path / "last.ckpt")
    touched = tmp_path / "touched"
    dataset = {"_target_": "subprocess.Popen", "args": ["touch", str(touched)]}
    stated = ["--data", "none", "--licence", "CC0", "--card", tmp_path / "card.md", "--out", tmp_path / "b"]
    for text, says in (
        (yaml.safe_dump({"datamodule": {"dataset": dataset}}), "'subprocess.Popen': only parts of the package vera"),
        ("a: [", "is damaged"),
        ("a: 1", "no field 'autoencoder'"),
    ):
        (tmp_path / "config.yaml").write_text(text)
        code, _, stderr = vera("export", tmp_path, *stated)
        assert code == 2
        assert says in one_line(stderr)
    assert not touched.exists()
    assert not (tmp_path / "b").exists()


def test_a_full_disk_and_a_closed_folder(vera, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr("vera.cli.samples.write_samples", full)
    code, _, stderr = vera("sample", "--n", "1", "--out", tmp_path / "out")
    assert code == 2
    assert "free some space" in one_line(stderr)


def test_the_traceback_is_there_for_who_asks(vera, monkeypatch, tmp_path):
    from vera.cli import main

    monkeypatch.setenv("VERA_DEBUG", "1")
    monkeypatch.setattr("sys.argv", ["vera", "sample", "--n", "1000000000", "--out", str(tmp_path / "x")])
    with pytest.raises(VeraError, match="one call makes up to"):
        main()


def test_ranges_say_what_they_take():
    assert str(Range(True, 0, 9)) == "a whole number from 0 to 9"
    assert str(Range(False, 0, above=True, optional=True)) == "a number above 0, or null"
    assert not Range(True, 0).holds(True)
    assert not Range(False, 0).holds(float("inf"))
    assert Range(False, 0, 1, numbers=2).holds([0, 0.5])
    assert not Range(False, 0, 1, numbers=2).holds("01")
