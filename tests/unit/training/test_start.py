import pytest
import torch
from safetensors.torch import save_file

from vera import bundle
from vera.inversion.autoencoder import Autoencoder
from vera.training.build import contrastive as start_contrastive
from vera.training.build import networks as start
from vera.types import LatentCodes, VeraError

GENERATOR = {
    "size": 32, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4, 32: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip
ENCODER = {"width": 8, "hidden": 8, "layout": 2, "pretrained": False}
ATTRIBUTES = {"pose": {"code": 5}, "illumination": {"code": 3}}


def autoencoder(tmp_path, *, bank=12, kinds=None):
    torch.manual_seed(0)
    made = Autoencoder(generator=GENERATOR, encoder=ENCODER, bank=0)
    made.fill_bank(torch.randn(bank, 28, 6), torch.zeros(28, 6), kinds=kinds)
    bundle.save(tmp_path / "bundle", made, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    return tmp_path / "bundle", made


def directions(tmp_path, shape=(4, 28, 6)):
    save_file({"within": torch.randn(shape)}, tmp_path / "within.safetensors")
    return tmp_path / "within.safetensors"


def stage_2(path, **changed):
    asked = {"config": {}, "attributes": ATTRIBUTES, "spread": 0.02, "directions": None, "dual_only": False}
    return start_contrastive.generator(start=path, **{**asked, **changed})


def test_an_autoencoders_bank_becomes_the_generators_mapping(tmp_path):
    path, made = autoencoder(tmp_path, kinds={"female": 5, "male": 7})
    drawn = start.generator(start=path, config={})
    assert drawn.config["principal"] == 2
    assert torch.allclose(drawn.mapping.means[1], made.identities("male")[1])
    codes = LatentCodes(made.bank[:2], made.bank.new_zeros(2, 0))
    assert torch.equal(drawn.eval()(codes).image, made.generator.eval()(codes).image)


def test_an_empty_bank_says_nothing_of_faces(tmp_path):
    path, _ = autoencoder(tmp_path, bank=0)
    with pytest.raises(VeraError, match="bank of identities is empty"):
        start.generator(start=path, config={})


def test_the_dual_space_alone_learns(tmp_path):
    path, _ = autoencoder(tmp_path)
    network = stage_2(path, directions=directions(tmp_path), dual_only=True)
    learns = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad and p.numel()}
    assert learns == {"span", "attribute_mappings"}
    free = stage_2(path, dual_only=True)
    learns = {name for name, p in free.named_parameters() if p.requires_grad and not name.startswith("attribute_mappings")}
    assert learns == {"local.style_attributes"}
    assert float(free.local.style_attributes.detach().std()) == pytest.approx(0.02, rel=0.2)
    assert all(p.requires_grad for p in stage_2(path).parameters())


def test_directions_of_another_network_or_none_are_refused(tmp_path):
    path, _ = autoencoder(tmp_path)
    with pytest.raises(VeraError, match="belongs to another network"):
        stage_2(path, directions=directions(tmp_path, shape=(4, 28, 7)))
    (tmp_path / "none").write_text("no tensors")
    with pytest.raises(VeraError, match=r"no directions in .*reconstructed\.py"):
        stage_2(path, directions=tmp_path / "none")


def test_attributes_that_are_there_are_not_given_directions(tmp_path):
    path, _ = autoencoder(tmp_path)
    trained = stage_2(path, directions=directions(tmp_path))
    bundle.save(tmp_path / "trained", trained, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    again = stage_2(tmp_path / "trained")
    assert torch.equal(again.span.mixing, trained.span.mixing)  # a stage 2 bundle goes on where it was
    with pytest.raises(VeraError, match="has attributes already"):
        stage_2(tmp_path / "trained", directions=directions(tmp_path))
