import pytest
import torch

from vera.inversion.autoencoder import Autoencoder
from vera.inversion.objective import InversionObjective, InversionWeights
from vera.inversion.pivotal import tune
from vera.inversion.refinement import Moving, refine
from vera.types import LatentCodes, VeraError, to_probabilities

TINY = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {8: 4, 16: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip
OBJECTIVE = InversionObjective(weights=InversionWeights(face=0.0, pixel=1.0, perceptual=0.0, segmentation=0.1, prior=0.0), perceptual=None)


@pytest.fixture
def network():
    torch.manual_seed(0)
    encoder = {"width": 4, "hidden": 4, "layout": 2, "pretrained": False}
    made = Autoencoder(generator=TINY, encoder=encoder, bank=0).eval().requires_grad_(False)
    for name, parameter in made.named_parameters():
        if "noise_strength" in name:
            parameter.fill_(0.5)
    return made


@pytest.fixture
def target(network):
    made = network.generator(LatentCodes(torch.randn(2, 28, 4), torch.zeros(2, 0)))
    return made.image, to_probabilities(made.segmentation)


def loss(generator, codes, target):
    return float(OBJECTIVE(generator(codes), codes, *target)[0].mean())


@pytest.mark.parametrize("limit", [0.02, 0.5])
def test_only_the_copys_renderer_moves_and_no_further_than_it_may(network, target, limit):
    codes = LatentCodes(torch.zeros(2, 28, 4), torch.zeros(2, 0))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    _, plain = tune(network, *target, codes, objective=OBJECTIVE, steps=0, rate=0.05, limit=limit)
    _, tuned = tune(network, *target, codes, objective=OBJECTIVE, steps=20, rate=0.05, limit=limit)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert loss(tuned, codes, target) < loss(plain, codes, target)
    moved = set()
    for name, tensor in tuned.named_parameters():
        origin = before[f"generator.{name}"]
        change = float((tensor - origin).norm() / (origin.norm() + 1e-12))
        if "noise_strength" in name:
            assert not tensor.any()
        elif not torch.equal(tensor, origin):
            moved.add(name.partition(".")[0])
            assert change <= limit * 1.0001
    assert moved == {"renderer"}
    assert not any(p.requires_grad for p in tuned.parameters())


def test_the_copy_has_no_noise(network, target):
    codes = LatentCodes(torch.randn(1, 28, 4), torch.zeros(1, 0))
    _, made = tune(network, *(t[:1] for t in target), codes, objective=OBJECTIVE, steps=0, rate=0.05, limit=0.1)
    silent = [torch.zeros(1, 1, side, side) for side in made.noise_sides]
    assert torch.equal(made(codes).image, made(codes, silent).image)
    assert torch.equal(made(codes).image, network.generator(codes, silent).image)
    assert not torch.equal(made(codes).image, network.generator(codes).image)


def test_a_diverging_tuning_stops(network, target):
    codes = LatentCodes(torch.full((2, 28, 4), torch.nan), torch.zeros(2, 0))
    with pytest.raises(VeraError, match="learning rate"):
        tune(network, *target, codes, objective=OBJECTIVE, steps=1, rate=0.1, limit=0.1)


def test_codes_and_renderer_together_reach_further_than_one_after_the_other(network, target):
    start = LatentCodes(torch.zeros(2, 28, 4), torch.zeros(2, 0))
    options = {"objective": OBJECTIVE, "rate": 0.05, "limit": 0.2}
    codes, together = tune(network, *target, Moving(start, rate=0.1, axes=None), steps=20, **options)
    refined = refine(network, *target, start, objective=OBJECTIVE, steps=10, rate=0.1)
    held, after = tune(network, *target, refined, steps=10, **options)
    assert torch.equal(held.local, refined.local)
    assert not torch.equal(codes.local, start.local)
    assert loss(together, codes, target) < loss(after, held, target) < loss(network.generator, start, target)
    assert not start.local.any()
