"""From a checkpoint's file to bundles, through the command line."""

import hashlib
import json
import pickle
import re
from argparse import Namespace

import pytest
import torch
from safetensors.torch import load_file
from tests.reference.checkpoint import NARROW, TINY, content, networks

import vera as package

ARGS = {key: value for key, value in TINY.items() if key != "channel_multiplier"}  # the tests' channels are narrower


@pytest.fixture
def made():
    """The published networks, and what a checkpoint of them holds."""
    generator, discriminator = networks(TINY, NARROW)
    return generator, discriminator, content(ARGS, generator, discriminator)


@pytest.fixture
def convert(vera, tmp_path, files):
    """Run the command on a file; a failure must leave nothing behind."""

    def run(path, *options):
        code, out, err = vera("convert", "semanticstylegan", path, "--out", tmp_path / "made" / "generator", *options)
        if code:
            assert code == 2
            assert re.fullmatch(r"vera: [^\n]+\n", err), err
            assert not [name for folder in tmp_path.rglob("made") for name in files(folder)]
        return code, out, err

    return run


@pytest.fixture
def file(made, tmp_path):
    path = tmp_path / "150000.pt"
    torch.save(made[2], path)
    return path


@pytest.mark.parametrize("modern", [True, False], ids=["zip", "before torch 1.6"])
def test_from_file_to_image(made, convert, tmp_path, modern):
    generator, discriminator, held = made
    path, beside = tmp_path / "150000.pt", tmp_path / "made" / "discriminator"
    torch.save(held, path, _use_new_zipfile_serialization=modern)
    code, out, err = convert(path, "--discriminator", beside)
    assert (code, err) == (0, "")
    assert out.count("CC-BY-NC-SA-4.0 (non-commercial)") == 2
    ours, ours_too = package.load(tmp_path / "made" / "generator"), package.load(beside)
    z, images, segmentations = torch.randn(3, 6), torch.randn(4, 3, 32, 32), torch.randn(4, 13, 32, 32)
    with torch.no_grad():
        for one, other in zip(ours(ours.map(z, {})), generator(generator.map(z)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours_too(images, segmentations), discriminator(images, segmentations), rtol=1e-4, atol=1e-4)


def test_what_the_bundle_says(made, file, convert, tmp_path):
    code, out, _ = convert(file)
    assert code == 0
    assert "--discriminator" in out  # there is one, and it was not asked for
    folder, digest = tmp_path / "made" / "generator", hashlib.sha256(file.read_bytes()).hexdigest()
    record, card = json.loads((folder / "bundle.json").read_text()), (folder / "MODEL_CARD.md").read_text()
    assert record["licence"] == "CC-BY-NC-SA-4.0"
    assert record["dtype"] == "float32"
    assert record["config"]["attributes"] == {}
    assert record["provenance"]["sha256"] == digest
    assert (record["provenance"]["file"], record["provenance"]["network"]) == ("150000.pt", "g_ema")
    assert "SemanticStyleGAN" in record["provenance"]["source"]
    assert all(word in card for word in ("not for commercial use", digest, "32 px"))
    weights = load_file(folder / "weights.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert torch.equal(weights["local.embed"], made[0].pos_embed.weights[:, :, 0, 0])


def test_the_generator_in_training(made, convert, tmp_path):
    _, _, held = made
    held["g"] = {name: tensor + 1 if name == "style.1.bias" else tensor for name, tensor in held["g"].items()}
    torch.save(held, tmp_path / "x.pt")
    assert convert(tmp_path / "x.pt", "--weights", "g")[0] == 0
    network = package.load(tmp_path / "made" / "generator")
    assert torch.equal(network.mapping.layers[0].bias, held["g"]["style.1.bias"])
    assert network.info.provenance["network"] == "g"


class Danger:
    """Its pickle runs a command."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("modern", [True, False])
def test_a_pickle_that_runs_something_is_not_run(made, convert, tmp_path, modern):
    witness = tmp_path / "executed"
    torch.save({**made[2], "note": Danger(witness)}, tmp_path / "x.pt", _use_new_zipfile_serialization=modern)
    _, _, err = convert(tmp_path / "x.pt")
    assert re.search("'(posix|os).system'", err)
    (tmp_path / "y.pt").write_bytes(pickle.dumps({"g_ema": {}, "args": Namespace(), "note": Danger(witness)}))
    assert convert(tmp_path / "y.pt")[0] == 2
    assert not witness.exists()


def test_what_is_no_checkpoint(made, file, convert, tmp_path):
    whole = file.read_bytes()
    for bytes_, says in ((b"", "no checkpoint"), (b"hello, world", "no checkpoint"), (whole[: len(whole) // 2], "truncated")):
        (tmp_path / "x.pt").write_bytes(bytes_)
        assert says in convert(tmp_path / "x.pt")[2]
    flipped = bytearray(whole)
    flipped[whole.index(made[2]["g_ema"]["style.1.weight"].numpy().tobytes()) + 3] ^= 1  # the sign or so of a weight: still a number
    (tmp_path / "x.pt").write_bytes(flipped)
    assert re.search("the checksum of '.*/data/.*' in it is wrong", convert(tmp_path / "x.pt")[2])
    assert "cannot be read" in convert(tmp_path / "nowhere.pt")[2]
    assert "cannot be read" in convert(tmp_path)[2]
    for other in ([1, 2], {"g_ema": made[2]["g_ema"]}, {"args": Namespace()}, {**made[2], "args": {"size": 32}}, {**made[2], "g_ema": 3}):
        torch.save(other, tmp_path / "x.pt")
        assert "must hold 'g_ema' and 'args'" in convert(tmp_path / "x.pt")[2]


def test_tensors_that_do_not_fit(made, convert, tmp_path):
    held, path = made[2], tmp_path / "x.pt"
    spoilt = {
        "missing": {name: tensor for name, tensor in held["g_ema"].items() if name != "render_net.to_rgbs.1.bias"},
        "unknown": {**held["g_ema"], "render_net.more": torch.ones(1)},
        "misshaped": {**held["g_ema"], "render_net.to_rgbs.1.bias": torch.ones(1, 4, 1, 1)},
    }
    for says, tensors in spoilt.items():
        torch.save({**held, "g_ema": tensors}, path)
        assert says in convert(path)[2]
    torch.save({**held, "d": {name: tensor for name, tensor in held["d"].items() if name != "final_linear.0.bias"}}, path)
    assert "1 missing (final_linear.0.bias)" in convert(path, "--discriminator", tmp_path / "made" / "d")[2]
    torch.save({name: value for name, value in held.items() if name != "d"}, path)
    assert "holds no 'd'" in convert(path, "--discriminator", tmp_path / "made" / "d")[2]


def test_targets(file, vera, convert, tmp_path, monkeypatch):
    out = tmp_path / "made" / "generator"
    assert "name the same folder" in convert(file, "--discriminator", tmp_path / "made" / "." / "generator")[2]

    from vera import bundle

    save = bundle.save

    def full(path, *arguments, **options):
        if path.name == "d":
            raise package_error("disk full")
        return save(path, *arguments, **options)

    from vera.types import VeraError as package_error

    monkeypatch.setattr(bundle, "save", full)
    assert "disk full" in convert(file, "--discriminator", tmp_path / "made" / "d")[2]  # and the generator's is taken back
    out.mkdir(parents=True)
    for options in (("--out", out), ("--out", tmp_path / "other", "--discriminator", out)):
        code, _, err = vera("convert", "semanticstylegan", file, *options)
        assert code == 2
        assert "never overwritten" in err
    assert not (tmp_path / "other").exists()
