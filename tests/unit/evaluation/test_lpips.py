import hashlib
import warnings
from types import SimpleNamespace

import lpips
import pytest
import torch
import torchvision

from vera.evaluation.metrics.preservation import LpipsDistance
from vera.features.lpips_network import BACKBONES, LpipsNetwork
from vera.types import VeraError


@pytest.fixture(scope="module")
def squeeze(tmp_path_factory):
    """A random backbone as torchvision writes it, and the package's own network with the same weights."""
    torch.manual_seed(0)
    backbone = torchvision.models.squeezenet1_1(weights=None)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(backbone.state_dict(), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    for part in reference.net.children():
        for number, layer in part.named_children():
            layer.load_state_dict(backbone.features[int(number)].state_dict())
    return path, reference


@pytest.fixture
def pairs():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 5, 3, 40, 48, generator=generator) * 2 - 1


def test_agrees_with_the_package_given_the_same_weights(squeeze, pairs, monkeypatch):
    path, reference = squeeze
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    metric = LpipsDistance(LpipsNetwork("squeeze", path))
    assert metric.name == f"perceptual_squeeze_own_weights_{digits}"  # LPIPS is what rests on the published weights
    monkeypatch.setitem(BACKBONES, "squeeze", SimpleNamespace(url=f"https://example.org/squeezenet-{digits}.pth"))
    assert LpipsNetwork("squeeze", path).name == "lpips_squeeze"
    for a, b in zip(pairs[0].split(2), pairs[1].split(2), strict=True):
        metric.update(a, b)
    assert float(metric.compute()) == pytest.approx(float(reference(*pairs).mean().detach()), abs=1e-6)
    assert float(metric.compute()) > 0


def test_zero_for_equal_images_in_train_mode_too(squeeze, pairs):
    network = LpipsNetwork("squeeze", squeeze[0]).train()
    assert network(pairs[0], pairs[0]).abs().max() == 0
    assert torch.equal(network(*pairs), network(*pairs))  # no dropout


def test_missing_weights_are_named_with_their_source(tmp_path, monkeypatch):
    with pytest.raises(VeraError, match=r"fetch alexnet-owt-7be5be79\.pth from https://download\.pytorch\.org"):
        LpipsNetwork("alex", tmp_path / "absent.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def fails(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fails)
    with pytest.raises(VeraError, match=r"cannot be downloaded \(no network\).*vgg16-397923af\.pth"):
        LpipsNetwork("vgg")
    with pytest.raises(VeraError, match="alex, vgg, squeeze"):
        LpipsNetwork("inception")


def test_foreign_weights_are_refused(squeeze, tmp_path):
    with pytest.raises(VeraError, match="does not hold"):
        LpipsNetwork("alex", squeeze[0])
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(VeraError, match="does not hold"):
        LpipsNetwork("squeeze", tmp_path / "broken.pth")


def test_small_images_and_no_images_are_refused(squeeze):
    metric = LpipsDistance(LpipsNetwork("squeeze", squeeze[0]))
    with pytest.raises(VeraError, match="at least 32"):
        metric.update(torch.zeros(1, 3, 16, 64), torch.zeros(1, 3, 16, 64))
    with pytest.raises(VeraError, match="at least one pair"):
        metric.compute()
