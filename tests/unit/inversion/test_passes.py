"""Several passes of the encoder, in the manner of ReStyle."""

import pytest
import torch

from vera import bundle
from vera.inversion.autoencoder import Autoencoder, one_hot
from vera.types import VeraError, to_probabilities

TINY = {
    "size": 32, "coarse_size": 16, "start_size": 8, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {16: 4, 32: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip
ENCODER = {"width": 8, "hidden": 8, "layout": 2, "pretrained": False}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Autoencoder(generator=TINY, encoder=ENCODER, bank=0).eval().requires_grad_(False)


@pytest.fixture
def faces():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 3, 32, 32, generator=generator) * 2 - 1, one_hot(torch.randn(3, 13, 32, 32, generator=generator))


def test_an_untrained_pass_changes_nothing(network, faces):
    assert torch.equal(network.encode(*faces, passes=3).local, network.encode(*faces).local)


def test_passes_are_what_the_encoder_does_one_after_the_other(network, faces):
    torch.nn.init.normal_(network.encoder.to_steps.weight)
    codes = network.encoder(*faces)
    for _ in range(2):
        made = network.generator(codes)
        codes = network.encoder(*faces, (codes, made.image, to_probabilities(made.segmentation)))
    torch.testing.assert_close(network.encode(*faces, passes=3).local, codes.local)
    assert (codes.local - network.encode(*faces).local).abs().max() > 0.1
    assert torch.equal(codes.local[:, :2], network.encode(*faces).local[:, :2])  # base codes stay


def test_a_further_pass_moves_attribute_codes_once_it_is_trained(faces):
    torch.manual_seed(0)
    network = Autoencoder(generator={**TINY, "attributes": {"pose": 3}}, encoder=ENCODER, bank=0).eval().requires_grad_(False)
    first = network.encode(*faces).attributes
    assert torch.equal(network.encode(*faces, passes=2).attributes, first)
    torch.nn.init.normal_(network.encoder.to_attribute_steps.weight)
    assert (network.encode(*faces, passes=2).attributes - first).abs().max() > 0.1


def test_a_trace_of_an_absent_class_changes_nothing(network, faces):
    images, _ = faces
    mask = torch.zeros(3, 13, 32, 32)
    mask[:, 0, :16], mask[:, 1, 16:] = 1, 1
    soft = torch.full_like(mask, 0.01) + 0.87 * mask
    assert torch.equal(one_hot(soft), mask)
    torch.testing.assert_close(network.encode(images, soft, passes=2).local, network.encode(images, mask, passes=2).local)
    assert not torch.equal(network.encoder(images, soft).local, network.encoder(images, mask).local)


def test_no_gradient_flows_into_the_pass_before(network, faces):
    first = network.encoder(*faces).map(lambda part: part.clone().requires_grad_())
    network.encoder.to_steps.weight.requires_grad_()
    again = network.encode_again(*faces, first, network.generator(first))
    again.local.square().sum().backward()
    assert first.local.grad is None
    assert network.encoder.to_steps.weight.grad is not None


def test_a_bundle_keeps_the_number_of_passes_and_one_without_has_one(network, faces, tmp_path):
    torch.nn.init.normal_(network.encoder.to_steps.weight)
    network.take_passes(2)
    bundle.save(tmp_path / "two", network, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    loaded = bundle.load(tmp_path / "two")
    assert loaded.passes == 2
    assert torch.equal(loaded.encode(*faces).local, network.encode(*faces, passes=2).local)
    del network.config["passes"]  # as bundles were before
    bundle.save(tmp_path / "before", network, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    assert bundle.load(tmp_path / "before").passes == 1


@pytest.mark.parametrize("count", [0, 6])
def test_passes_have_a_range(network, count):
    with pytest.raises(VeraError, match="1 to 5"):
        network.take_passes(count)
