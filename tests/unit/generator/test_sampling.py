"""Truncation against its formula; random codes are keyed by seed, stream and index."""

import torch

from vera.generator.network import Generator
from vera.generator.sampling import code_sampler, sample_codes, truncate
from vera.rng import Draws
from vera.types import LatentCodes


def network(attributes=()):
    torch.manual_seed(0)
    generator = Generator(
        size=16, coarse_size=8, start_size=4, classes=13, transparent=[10, 12], latent=8, local_channels=8, coarse_channels=8,
        layers=[2, 2, 2], channels={8: 8, 16: 8}, attributes=dict(attributes), mapping_layers=2,
    )  # fmt: skip
    return generator.eval().requires_grad_(False)


def draws(seed=0):
    return Draws(seed, torch.device("cpu"))


def test_random_codes_are_the_mapped_numbers_of_their_streams():
    generator = network({"pose": 4, "age": 3})
    codes = sample_codes(generator, draws(5), "a", [7, 2])
    z = {"age": draws(5).normal("a/age", [7, 2], 3), "pose": draws(5).normal("a/pose", [7, 2], 4)}
    expected = generator.map(draws(5).normal("a", [7, 2], 8), z)
    assert torch.equal(codes.local, expected.local)
    assert torch.equal(codes.attributes, expected.attributes)
    named = sample_codes(generator, draws(5), "b", [7, 2], attributes="a/")  # other faces with the same attributes
    assert torch.equal(named.attributes, codes.attributes)
    assert not torch.equal(named.local, codes.local)


def test_a_random_face_depends_on_seed_and_number_alone_and_truncation_leaves_its_attributes():
    generator = network({"pose": 4})
    draw, other = code_sampler(generator, seed=1, truncation=1.0), code_sampler(generator, seed=1, truncation=0.5)
    for number in (3, 0, 3):
        codes = draw(number)
        assert torch.equal(codes.local, sample_codes(generator, draws(1), "sample", [number]).local)
        assert torch.equal(codes.attributes, other(number).attributes)
        assert torch.equal(other(number).local, truncate(codes, generator.mean_code(), 0.5).local)
    assert not torch.equal(draw(0).local, code_sampler(generator, seed=2, truncation=1.0)(0).local)


def test_truncation_scales_the_deviation_of_every_local_code_and_leaves_attributes():
    codes, mean = LatentCodes(torch.randn(3, 28, 5), torch.randn(3, 4)), torch.randn(5)
    half = truncate(codes, mean, 0.5)
    torch.testing.assert_close(half.local, mean + 0.5 * (codes.local - mean))
    assert half.attributes is codes.attributes


def test_truncation_of_one_changes_nothing_and_of_zero_leaves_the_mean():
    codes, mean = LatentCodes(torch.randn(2, 28, 5), torch.zeros(2, 0)), torch.randn(5)
    assert torch.equal(truncate(codes, mean, 1.0).local, codes.local)
    assert torch.equal(truncate(codes, mean, 0.0).local, mean.expand(2, 28, 5))
