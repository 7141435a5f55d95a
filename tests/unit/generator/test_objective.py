"""Closed forms of the terms of stage 1."""

import math

import pytest
import torch

from vera.generator import objective
from vera.types import LatentCodes

K = 13


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def test_adversarial_losses_at_known_logits():
    real, fake = torch.tensor([0.0, 2.0]), torch.tensor([0.0, -2.0])
    half = (math.log(2) + math.log1p(math.exp(-2))) / 2
    assert float(objective.discriminator_loss(real, fake)) == pytest.approx(2 * half)
    assert float(objective.generator_loss(-fake)) == pytest.approx(half)
    several = torch.zeros(2, 5)  # a projected discriminator's: several logits an image
    assert float(objective.discriminator_loss(several, several)) == pytest.approx(2 * math.log(2))


def test_r1_of_a_linear_discriminator_is_its_weights_squared_norm(rng):
    by_image, by_segmentation = torch.randn(3, 4, 4, generator=rng), torch.randn(K, 4, 4, generator=rng)
    weights = [by_image.requires_grad_(), by_segmentation.requires_grad_()]
    images = torch.randn(5, 3, 4, 4, generator=rng, requires_grad=True)
    segmentations = torch.randn(5, K, 4, 4, generator=rng, requires_grad=True)
    logits = (images * by_image).sum((1, 2, 3)) + (segmentations * by_segmentation).sum((1, 2, 3))
    r1 = objective.gradient_penalty(logits, images, segmentations)
    for penalty, weight in zip(r1, weights, strict=True):
        torch.testing.assert_close(penalty, weight.detach().square().sum().expand(5))
        (gradient,) = torch.autograd.grad(penalty.mean(), weight, retain_graph=True)
        torch.testing.assert_close(gradient, 2 * weight.detach())
    several = objective.gradient_penalty(logits[:, None] * torch.tensor([0.5, 1.5]), images, segmentations)  # their mean is the logit
    torch.testing.assert_close(several[0], r1[0])


def test_path_length_of_a_linear_generator(rng):
    classes, layers, latent, side = 2, 3, 4, 6
    matrix = torch.randn(3 * side * side, classes * layers * latent, generator=rng)
    codes = torch.randn(7, classes, layers, latent, generator=rng, requires_grad=True)
    noise = torch.randn(7, 3, side, side, generator=rng)
    image = (codes.flatten(1) @ matrix.T).unflatten(1, (3, side, side))
    lengths = objective.path_lengths(image, codes, noise)
    pulled = (noise.flatten(1) / side) @ matrix  # J^T y
    torch.testing.assert_close(lengths, (pulled.square().sum(1) / (classes * layers)).sqrt())


def test_path_penalty_and_its_mean():
    lengths, mean = torch.tensor([1.0, 3.0]), torch.tensor(2.0)
    assert float(objective.path_penalty(lengths, mean)) == pytest.approx(1)
    assert float(objective.advance_path_mean(torch.tensor(1.0), mean)) == pytest.approx(1.01)


def test_mask_consistency_is_zero_when_the_refined_mask_averages_to_the_coarse_one(rng):
    coarse = torch.rand(2, K, 4, 4, generator=rng).softmax(1)
    refined = (2 * coarse - 1).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert float(objective.mask_consistency(coarse, refined)) == pytest.approx(0, abs=1e-12)
    assert float(objective.mask_consistency(coarse, refined + 0.5)) == pytest.approx(0.25)


def plain_mixing(first, second, draws, probability):
    """Sample by sample, class by class."""
    local = first.local.clone()
    for b in range(len(local)):
        if draws[b, 0] >= probability:
            continue
        for k in range(K):
            choice = int(draws[b, 1 + k] * 3)
            shape, texture = 2 + 2 * k, 3 + 2 * k
            if choice in (1, 2):
                local[b, texture] = second.local[b, texture]
            if choice == 2:
                local[b, shape] = second.local[b, shape]
    return local


def test_mixing_equals_a_plain_loop(rng):
    count = 40
    first, second = (LatentCodes(torch.randn(count, 2 + 2 * K, 4, generator=rng), torch.randn(count, 3, generator=rng)) for _ in range(2))
    draws = torch.rand(count, 1 + K, generator=rng)
    mixed = objective.mix_styles(first, second, draws, probability=0.3)
    assert torch.equal(mixed.local, plain_mixing(first, second, draws, 0.3))
    assert torch.equal(mixed.attributes, first.attributes)
    assert 0 < int((mixed.local != first.local).any(dim=(1, 2)).sum()) < count
    assert torch.equal(objective.mix_styles(first, second, draws, probability=0.0).local, first.local)
