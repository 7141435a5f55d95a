import json

import pytest
import torch
from safetensors.torch import load_file

from vera import bundle
from vera.faces.segmenter import Segmenter
from vera.inversion.autoencoder import Autoencoder
from vera.types import LatentCodes, VeraError

TINY = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {8: 4, 16: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip


@pytest.fixture
def made(tmp_path):
    network = Autoencoder(generator=TINY, encoder={"width": 4, "hidden": 4, "layout": 2, "pretrained": False}, bank=0)
    network.fill_bank(torch.randn(3, 28, 4), torch.zeros(28, 4))
    bundle.save(tmp_path / "b", network, provenance={"images_seen": 3}, licence="CC0", card="# card")
    return network, tmp_path / "b"


def test_round_trip_to_bfloat16(made):
    network, path = made
    loaded = bundle.load(path)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert loaded.info.provenance == {"images_seen": 3}
    for name, tensor in network.state_dict().items():
        expected = tensor.to(torch.bfloat16).float() if tensor.is_floating_point() else tensor
        torch.testing.assert_close(loaded.state_dict()[name], expected, rtol=0, atol=0)
    codes = LatentCodes(loaded.bank[:1], torch.zeros(1, 0))
    assert torch.equal(loaded.generator(codes).image, bundle.load(path).generator(codes).image)
    assert {t.dtype for t in load_file(path / "weights.safetensors").values() if t.is_floating_point()} == {torch.bfloat16}


def test_float32_is_kept_where_asked_and_said(made, tmp_path):
    network, _ = made
    bundle.save(tmp_path / "exact", network, provenance={}, licence="CC0", card="", dtype=torch.float32)
    loaded, record = bundle.load(tmp_path / "exact"), tmp_path / "exact" / "bundle.json"
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    record.write_text(record.read_text().replace('"dtype": "float32"', '"dtype": "bfloat16"'))
    with pytest.raises(VeraError, match="altered"):
        bundle.load(tmp_path / "exact")


def test_the_kind_and_the_device_that_are_asked_for(made):
    path = made[1]
    assert isinstance(bundle.load(path, kind=Autoencoder), Autoencoder)
    with pytest.raises(VeraError, match="is a bundle of Autoencoder, not of Segmenter"):
        bundle.load(path, kind=Segmenter)
    with pytest.raises(VeraError, match="device='nowhere' cannot be used"):
        bundle.load(path, device="nowhere")


def test_a_bundle_that_says_nothing_of_its_dtype(made):
    _, path = made
    described = json.loads((path / "bundle.json").read_text())
    assert described.pop("dtype") == "bfloat16"
    described["digest"] = bundle._digest(path / "weights.safetensors", described)
    (path / "bundle.json").write_text(json.dumps(described))
    assert bundle.load(path).info.licence == "CC0"


def test_nothing_is_overwritten(made):
    network, path = made
    with pytest.raises(VeraError, match="never overwritten"):
        bundle.save(path, network, provenance={}, licence="", card="")
    assert [p.name for p in path.parent.iterdir()] == ["b"]


def test_missing_truncated_altered_foreign(made, tmp_path):
    _, path = made
    with pytest.raises(VeraError, match="no bundle"):
        bundle.load(tmp_path / "nowhere")
    weights, record = path / "weights.safetensors", path / "bundle.json"
    whole, text = weights.read_bytes(), record.read_text()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VeraError, match="truncated or altered"):
        bundle.load(path)
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(VeraError, match="truncated or altered"):
        bundle.load(path)
    weights.write_bytes(whole)
    record.write_text(text[:40])
    with pytest.raises(VeraError, match="damaged"):
        bundle.load(path)
    for name in ("os.system", "vera.training.runs.run.instantiate"):
        described = json.loads(text)
        described["class"] = name
        described["config"] = {"config": {"_target_": "pathlib.Path.touch", "_args_": [str(tmp_path / "executed")]}}
        described["digest"] = bundle._digest(weights, described)
        record.write_text(json.dumps(described))
        with pytest.raises(VeraError, match=r"only Generator, .* are loaded"):
            bundle.load(path)
        assert not (tmp_path / "executed").exists()
    described = json.loads(text)
    described["licence"] = "do what you like"
    record.write_text(json.dumps(described))
    with pytest.raises(VeraError, match="truncated or altered"):
        bundle.load(path)
    described = json.loads(text)
    described["config"]["generator"]["latent"] = 5
    described["digest"] = bundle._digest(weights, described)
    record.write_text(json.dumps(described))
    with pytest.raises(VeraError, match="does not fit"):
        bundle.load(path)


def test_a_failed_write_leaves_nothing(made, tmp_path, monkeypatch):
    network, _ = made

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(bundle, "save_file", full)
    with pytest.raises(VeraError, match="disk full"):
        bundle.save(tmp_path / "c", network, provenance={}, licence="", card="")
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
