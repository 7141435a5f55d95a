import pytest
import torch
from torch import nn

from vera import bundle
from vera.generator.network import Synthesis
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.axes import learn_axes
from vera.inversion.objective import InversionObjective, InversionWeights
from vera.inversion.refinement import refine
from vera.types import LatentCodes, VeraError, to_probabilities

TINY = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 8, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {8: 4, 16: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip


@pytest.fixture
def objective():
    return InversionObjective(weights=InversionWeights(face=0.0, pixel=1.0, perceptual=0.0, segmentation=0.1, prior=0.0), perceptual=None)


def autoencoder(bank=20, kinds=None):
    torch.manual_seed(0)
    encoder = {"width": 4, "hidden": 4, "layout": 2, "pretrained": False}
    made = Autoencoder(generator=TINY, encoder=encoder, bank=0)
    made.fill_bank(torch.randn(bank, 28, 8), torch.zeros(28, 8), kinds=kinds)
    return made.eval().requires_grad_(False)


def test_axes_are_orthonormal_and_repeat(objective):
    network = autoencoder(kinds={"a": 10, "b": 10})
    seen = []
    axes = learn_axes(network, objective, count=12, seed=3, progress=seen.append)
    assert torch.allclose(axes @ axes.mT, torch.eye(8).expand(28, 8, 8), atol=1e-5)
    assert torch.equal(axes, learn_axes(network, objective, count=12, seed=3))
    assert seen == list(range(1, 13))


class Mixed(nn.Module):
    """An "image" of the codes behind a turn and a stretch: eight scales, none of them a number of its own."""

    def __init__(self):
        super().__init__()
        turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0]
        self.matrix = turn @ torch.diag(torch.logspace(0, -2, 8)) @ turn.T

    def no_attributes(self, count, like):
        return like.new_zeros(count, 0)

    def forward(self, codes):
        seen = nn.functional.pad((codes.local @ self.matrix).flatten(1), (0, 1)).view(-1, 1, 15, 15)
        return Synthesis(seen.expand(-1, 3, -1, -1), seen.expand(-1, 13, -1, -1), seen)


class Squares(InversionObjective):
    def __init__(self):
        super().__init__(weights=InversionWeights(face=0.0, pixel=1.0, perceptual=0.0, segmentation=0.0, prior=0.0), perceptual=None)

    def forward(self, synthesis, codes, images, segmentations, true=None):
        return (synthesis.image - images).square().sum(dim=(1, 2, 3)), {}


def test_along_axes_codes_that_move_together_are_no_obstacle():
    network = autoencoder()
    network.bank *= 0.1  # an image stays within [-1, 1]
    network.generator = Mixed()
    axes = learn_axes(network, Squares(), count=60, seed=0)
    target, start = (LatentCodes(part, torch.zeros(4, 0)) for part in network.bank[:8].split(4))
    images = network.generator(target).image
    lost = {}
    for name, along in (("numbers", None), ("axes", axes)):
        found = refine(network, images, torch.zeros(4, 13, 15, 15), start, objective=Squares(), steps=30, rate=0.03, axes=along)
        lost[name] = float(Squares()(network.generator(found), found, images, None)[0].mean())
    assert lost["axes"] < 0.5 * lost["numbers"]


def test_axes_that_are_none_are_those_of_the_identity(objective):
    network = autoencoder()
    made = network.generator(LatentCodes(network.bank[:1], torch.zeros(1, 0)))
    options = {"objective": objective, "steps": 5, "rate": 0.1}
    images, segmentations = made.image, to_probabilities(made.segmentation)
    start = LatentCodes(network.bank[1:2], torch.zeros(1, 0))
    plain = refine(network, images, segmentations, start, **options)
    same = refine(network, images, segmentations, start, axes=torch.eye(8).repeat(28, 1, 1), **options)
    assert torch.allclose(plain.local, same.local, atol=1e-4)


def test_a_bundle_carries_its_axes(objective, tmp_path):
    network = autoencoder()
    assert network.axes is None
    bundle.save(tmp_path / "without", network, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    assert bundle.load(tmp_path / "without").axes is None
    network.take_axes(learn_axes(network, objective, count=10, seed=0))
    bundle.save(tmp_path / "with", network, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    assert torch.equal(bundle.load(tmp_path / "with").axes, network.axes)
    network.empty_bank()
    assert network.axes is None


def test_a_kind_of_one_identity_has_no_way_to_another(objective):
    with pytest.raises(VeraError, match="two of each kind"):
        learn_axes(autoencoder(bank=3, kinds={"a": 1, "b": 2}), objective, count=4, seed=0)
