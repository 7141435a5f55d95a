"""Kinds of identities in a bundle's bank."""

import json

import pytest
import torch

from vera import bundle
from vera.inversion.autoencoder import Autoencoder
from vera.types import LatentCodes, Semantic, VeraError

TINY = {
    "size": 32, "coarse_size": 16, "start_size": 8, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {16: 4, 32: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip
ENCODER = {"width": 8, "hidden": 8, "layout": 2, "pretrained": False}
SKIN = list(LatentCodes.rows([Semantic.SKIN]))


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = Autoencoder(generator=TINY, encoder=ENCODER, bank=0).eval().requires_grad_(False)
    rows = torch.randn(10, 28, 4)
    rows[:6, SKIN] += 3
    made.fill_bank(rows, rows.mean(dim=0), kinds={"a": 6, "b": 4})
    return made


def test_a_kind_is_its_rows_and_their_mean(network):
    assert network.kinds == ("a", "b")
    rows, mean = network.identities("b")
    torch.testing.assert_close(rows, network.bank[6:])
    torch.testing.assert_close(mean, rows.mean(dim=0))
    assert network.identities(None) == (network.bank, network.mean)
    with pytest.raises(VeraError, match="there are a, b"):
        network.identities("c")


def test_one_kind_has_no_name(network):
    network.fill_bank(network.bank, network.mean)
    assert network.kinds == ()
    with pytest.raises(VeraError, match="all are of one kind"):
        network.identities("a")


def test_kinds_pass_through_a_bundle_and_must_fit_the_bank(network, tmp_path):
    bundle.save(tmp_path / "b", network, licence="none", provenance={}, card="# Card", dtype=torch.float32)
    again = bundle.load(tmp_path / "b")
    assert again.kinds == ("a", "b")
    assert torch.equal(again.identities("a")[0], network.bank[:6])
    json.dumps(network.config)
    with pytest.raises(ValueError, match="kinds of 7"):
        network.fill_bank(network.bank, network.mean, kinds={"a": 3, "b": 4})


def test_an_emptied_bank_has_no_kinds(network):
    network.empty_bank()
    assert network.kinds == ()
    assert len(network.bank) == 0
