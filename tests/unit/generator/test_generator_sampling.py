"""Truncation against its formula."""

import torch

from vera.generator.sampling import truncate
from vera.types import LatentCodes


def test_truncation_scales_the_deviation_of_every_local_code_and_leaves_attributes():
    codes, mean = LatentCodes(torch.randn(3, 28, 5), torch.randn(3, 4)), torch.randn(5)
    half = truncate(codes, mean, 0.5)
    torch.testing.assert_close(half.local, mean + 0.5 * (codes.local - mean))
    assert half.attributes is codes.attributes


def test_truncation_of_one_changes_nothing_and_of_zero_leaves_the_mean():
    codes, mean = LatentCodes(torch.randn(2, 28, 5), torch.zeros(2, 0)), torch.randn(5)
    assert torch.equal(truncate(codes, mean, 1.0).local, codes.local)
    assert torch.equal(truncate(codes, mean, 0.0).local, mean.expand(2, 28, 5))
