import pytest
import torch
from tests.reference.rounding import assert_equal_but_for_rounding

from vera import bundle
from vera.features.perceptual import PerceptualDistance
from vera.generator.network import Synthesis
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.bank import mix
from vera.inversion.objective import InversionObjective, InversionWeights, segmentation_distance
from vera.inversion.refinement import Plateau, ramp, refine
from vera.types import LatentCodes, VeraError, to_probabilities

TINY = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 4, "local_channels": 4,
    "coarse_channels": 4, "layers": [1, 1, 1], "channels": {8: 4, 16: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip


@pytest.fixture
def network():
    torch.manual_seed(0)
    encoder = {"width": 4, "hidden": 4, "layout": 2, "pretrained": False}
    return Autoencoder(generator=TINY, encoder=encoder, bank=0).eval().requires_grad_(False)


@pytest.fixture
def objective():
    return InversionObjective(weights=InversionWeights(face=0.0, pixel=1.0, perceptual=0.0, segmentation=0.1, prior=0.0), perceptual=None)


def target(network, count=2):
    codes = LatentCodes(torch.randn(count, 28, 4), torch.zeros(count, 0)).map(lambda part: part.to(next(network.parameters())))
    made = network.generator(codes)
    return made.image, to_probabilities(made.segmentation)


def test_refinement_lowers_the_loss_and_never_raises_it(network, objective):
    images, segmentations = target(network)
    start = LatentCodes(torch.zeros(2, 28, 4), torch.zeros(2, 0))
    before = objective(network.generator(start), start, images, segmentations)[0]
    seen = []
    refined = refine(network, images, segmentations, start, objective=objective, steps=30, rate=0.1, progress=seen.append)
    after = objective(network.generator(refined), refined, images, segmentations)[0]
    assert (after < 0.9 * before).all()
    assert seen == list(range(1, 31))
    assert all(p.grad is None for p in network.parameters())
    absurd = refine(network, images, segmentations, start, objective=objective, steps=2, rate=1e3)
    assert (objective(network.generator(absurd), absurd, images, segmentations)[0] <= before + 1e-6).all()


@pytest.mark.parametrize("plateau", [None, Plateau(patience=2, improvement=0.05)])
def test_a_batch_is_refined_as_one_by_one(network, objective, plateau):
    images, segmentations = target(network.double(), count=3)
    start = LatentCodes(0.5 * torch.randn(3, 28, 4), torch.zeros(3, 0)).map(torch.Tensor.double)
    options = {"objective": objective, "steps": 12, "rate": 0.05, "plateau": plateau}
    together = refine(network, images, segmentations, start, **options)
    for n in range(3):
        one = slice(n, n + 1)
        alone = refine(network, images[one], segmentations[one], start.map(lambda part, one=one: part[one]), **options)
        assert_equal_but_for_rounding(together.local[one], alone.local)
        assert (alone.local - start.local[one]).abs().max() > 0.05


def test_a_plateau_ends_it_early(network, objective):
    images, segmentations = target(network, count=1)
    start = LatentCodes(torch.zeros(1, 28, 4), torch.zeros(1, 0))
    seen = []
    options = {"objective": objective, "steps": 40, "rate": 0.05, "progress": seen.append}
    refine(network, images, segmentations, start, plateau=Plateau(patience=3, improvement=0.9), **options)
    assert seen == [1, 2, 3]  # nothing falls by nine tenths in three steps
    seen.clear()
    refine(network, images, segmentations, start, plateau=Plateau(patience=50, improvement=0.0), **options)
    assert len(seen) == 40


class Leaves(InversionObjective):
    """Notes what the loss's graph leads to."""

    def forward(self, *given):
        losses, terms = super().forward(*given)
        self.found, seen, ahead = set(), set(), [losses.grad_fn]
        while ahead:
            node = ahead.pop()
            if node is not None and node not in seen:
                seen.add(node)
                ahead += [before for before, _ in node.next_functions]
                if hasattr(node, "variable"):
                    self.found.add(tuple(node.variable.shape))
        return losses, terms


def test_no_graph_is_built_for_frozen_weights(network, tmp_path):
    bundle.save(tmp_path / "bundle", network, provenance={}, licence="CC0", card="#", dtype=torch.float32)
    weights = InversionWeights(face=1.0, pixel=1.0, perceptual=1.0, segmentation=0.1, prior=0.1)
    objective = Leaves(weights=weights, perceptual=PerceptualDistance(stages=(0,), pretrained=False))
    loaded = bundle.load(tmp_path / "bundle")
    start = LatentCodes(torch.zeros(1, 28, 4), torch.zeros(1, 0))
    refine(loaded, *target(network, count=1), start, objective=objective, steps=1, rate=0.1)
    assert objective.found == {(1, 28, 4)}
    loaded.generator.requires_grad_(True)
    with pytest.raises(ValueError, match="freeze"):
        refine(loaded, *target(network, count=1), start, objective=objective, steps=1, rate=0.1)


def test_no_steps_return_the_codes(network, objective):
    images, segmentations = target(network)
    start = LatentCodes(torch.randn(2, 28, 4), torch.zeros(2, 0))
    assert torch.equal(refine(network, images, segmentations, start, objective=objective, steps=0, rate=0.1).local, start.local)


def test_a_diverging_refinement_stops(network, objective):
    images, segmentations = target(network)
    start = LatentCodes(torch.full((2, 28, 4), torch.nan), torch.zeros(2, 0))
    with pytest.raises(VeraError, match="learning rate"):
        refine(network, images, segmentations, start, objective=objective, steps=2, rate=0.1)


def test_ramp_rises_and_falls_to_nothing():
    assert ramp(0.0) == pytest.approx(0.1)
    assert ramp(0.3) == 1
    assert ramp(1.0) == pytest.approx(0)


def test_segmentation_distance_of_a_perfect_synthesis_is_zero():
    p = torch.eye(13)[torch.randint(0, 13, (2, 8, 8))].permute(0, 3, 1, 2)
    assert segmentation_distance(Synthesis(torch.zeros(2, 3, 8, 8), 2 * p - 1, p), p).abs().max() < 1e-5
    wrong = p.roll(1, dims=1)
    assert segmentation_distance(Synthesis(torch.zeros(2, 3, 8, 8), 2 * wrong - 1, wrong), p).min() > 5


def test_terms_add_up(network, objective):
    images, segmentations = target(network)
    codes = network.encode(images, segmentations)
    loss, terms = objective(network.generator(codes), codes, images, segmentations)
    torch.testing.assert_close(loss, terms["pixel"] + 0.1 * terms["segmentation"])
    with pytest.raises(ValueError, match="perceptual"):
        InversionObjective(weights=InversionWeights(0.0, 1.0, 1.0, 1.0, 1.0), perceptual=None)


def test_the_face_counts_more(network):
    face = torch.zeros(1, 13, 16, 16)
    face[:, 0], face[:, 0, :, :8], face[:, 1, :, :8] = 1, 0, 1  # the left half is skin
    black, grey = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    grey[..., :8] = 0.5
    codes = LatentCodes(torch.zeros(1, 28, 4), torch.zeros(1, 0))
    for weight, expected in ((0.0, 0.25), (3.0, 0.4)):
        objective = InversionObjective(weights=InversionWeights(weight, 1.0, 0.0, 0.0, 0.0), perceptual=None)
        _, terms = objective(Synthesis(grey, 2 * face - 1, face), codes, black, face)
        assert terms["pixel"].item() == pytest.approx(expected)


def test_mixtures_keep_the_spread_of_the_faces_and_hold_none_of_them():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(500, 4, 3, generator=generator) * 2 + 1
    mixed = mix(codes, count=2000, people=5, spread=1.0, generator=generator)
    assert mixed.std(dim=0).mean().item() == pytest.approx(2, rel=0.05)
    assert mixed.mean().item() == pytest.approx(1, abs=0.1)
    assert torch.cdist(mixed.flatten(1), codes.flatten(1)).min() > 1
    with pytest.raises(ValueError, match="at least 3"):
        mix(codes, count=1, people=2, spread=1.0, generator=generator)


def test_a_budget_of_nothing_runs_no_network(network, objective, monkeypatch):
    def used(*_):
        raise AssertionError("a network ran")

    images, segmentations = target(network)
    codes = LatentCodes(torch.randn(2, 28, 4), torch.zeros(2, 0))
    monkeypatch.setattr(Autoencoder, "forward", used)
    monkeypatch.setattr(type(network.generator), "forward", used)
    kept = refine(network, images, segmentations, codes, objective=objective, steps=0)
    assert torch.equal(kept.local, codes.local)
