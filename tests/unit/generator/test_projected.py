import pytest
import torch

from vera.generator.projected import ProjectedDiscriminator, RandomMixing
from vera.types import VeraError


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ProjectedDiscriminator(classes=5, resolution=128, channels=(4, 4, 8, 8), width=8, pretrained=True)


def pair(batch=2, side=32):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, 3, side, side, generator=generator) * 2 - 1, torch.randn(batch, 5, side, side, generator=generator)


def test_sixteen_logits_for_each_of_four_scales_whatever_the_size(network):
    for side in (32, 128, 256):
        logits = network(*pair(1, side))
        assert logits.shape == (1, 64)
        assert logits.isfinite().all()


def test_only_the_small_discriminators_learn(network):
    learning = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"scales"}


def test_the_features_stay_in_evaluation_mode_and_samples_are_independent(network):
    images, segmentations = pair(3)
    together = network.train()(images, segmentations)
    torch.testing.assert_close(network(images[1:2], segmentations[1:2]), together[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changed", [0, 1])
def test_every_scale_judges_image_and_segmentation(network, changed):
    inputs = list(pair(1))
    before = network(*inputs).unflatten(1, (4, 16))
    inputs[changed] = -inputs[changed]
    difference = (network(*inputs).unflatten(1, (4, 16)) - before).abs().amax(dim=(0, 2))
    assert (difference > 1e-3).all()


@pytest.mark.parametrize("side", [32, 256])  # smaller and larger than the features' resolution
def test_r1_on_both_inputs_trains_every_weight(network, side):
    inputs = [t.requires_grad_() for t in pair(1, side)]
    gradients = torch.autograd.grad(network(*inputs).mean(dim=1).sum(), inputs, create_graph=True)
    assert all(g.abs().sum() > 0 for g in gradients)
    penalty = sum(g.square().sum() for g in gradients)
    weights = [parameter for name, parameter in network.named_parameters() if name.startswith("scales") and name.endswith("weight")]
    for gradient in torch.autograd.grad(penalty, weights):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_mixing_runs_from_coarse_to_fine_and_keeps_unit_variance():
    torch.manual_seed(0)
    mixing = RandomMixing(inputs=(24, 40), outputs=(32, 64))
    features = [5 * torch.randn(1, 24, 16, 16), 0.1 * torch.randn(1, 40, 8, 8)]
    fine, coarse = mixing(features)
    assert fine.shape == (1, 32, 16, 16)
    assert coarse.shape == (1, 64, 8, 8)
    assert fine.std().item() == pytest.approx(1, rel=0.3)
    assert coarse.std().item() == pytest.approx(1, rel=0.3)
    other_coarse = mixing([features[0], torch.randn(1, 40, 8, 8)])
    assert not torch.allclose(other_coarse[0], fine)
    other_fine = mixing([torch.randn(1, 24, 16, 16), features[1]])
    assert torch.equal(other_fine[1], coarse)


@pytest.mark.slow
def test_tells_noise_from_smooth_images_after_a_few_steps(network):
    torch.manual_seed(0)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-2, betas=(0.0, 0.99))
    labels = -torch.ones(4, 5, 32, 32)

    def judged():
        smooth = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4) * 2 - 1, size=32, mode="bilinear")
        return network(smooth, labels), network((smooth + 0.5 * torch.randn(4, 3, 32, 32)).clamp(-1, 1), labels)

    for _ in range(20):
        real, fake = judged()
        optimizer.zero_grad()
        (torch.nn.functional.softplus(-real).mean() + torch.nn.functional.softplus(fake).mean()).backward()
        optimizer.step()
    real, fake = judged()
    assert real.mean() > fake.mean() + 0.5


def test_is_rebuilt_from_its_configuration(network):
    ProjectedDiscriminator(**{**network.config, "pretrained": False}).load_state_dict(network.state_dict())


@pytest.mark.parametrize(("resolution", "channels"), [(224, (4, 4, 4, 4)), (64, (4, 4, 4, 4)), (128, (4, 4, 4))])
def test_other_resolutions_and_numbers_of_maps_are_refused(resolution, channels):
    with pytest.raises(VeraError, match="power of two"):
        ProjectedDiscriminator(classes=5, resolution=resolution, channels=channels, width=8, pretrained=False)
