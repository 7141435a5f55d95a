import pytest
import torch

from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.generator.sampling import middle, truncate

TINY = {
    "size": 16, "coarse_size": 8, "start_size": 4, "classes": 13, "transparent": [10, 12], "latent": 6, "local_channels": 4,
    "coarse_channels": 6, "layers": [2, 2, 2], "channels": {8: 6, 16: 4}, "attributes": {}, "mapping_layers": 0,
}  # fmt: skip


def identities(count=500, rows=3, width=6):
    """With a mean and two directions of their own."""
    source = torch.Generator().manual_seed(0)
    mean, along = torch.randn(rows, width, generator=source), torch.randn(2, rows, width, generator=source)
    return mean + torch.einsum("nk,krd->nrd", torch.randn(count, 2, generator=source), along)


def test_faces_have_the_mean_and_the_covariance_of_the_bank():
    bank = identities()
    mapping = PrincipalMapping(width=6, rows=3, kinds=1)
    mapping.fill([bank])
    drawn = mapping(torch.randn(20_000, 6, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(drawn.mean(dim=0), bank.mean(dim=0), atol=0.06)
    assert torch.allclose(drawn.flatten(1).T.cov(), bank.flatten(1).T.cov(), atol=0.25)


def test_directions_beyond_the_bank_are_of_length_zero():
    mapping = PrincipalMapping(width=6, rows=3, kinds=1)
    mapping.fill([identities(count=4)])
    lengths = mapping.directions.flatten(1).norm(dim=1)
    assert (lengths[:2] > 0.1).all()
    assert torch.allclose(lengths[2:], torch.zeros(4), atol=1e-5)


def test_half_of_the_faces_are_of_each_kind_and_kinds_differ_in_their_mean():
    bank = identities()
    mapping = PrincipalMapping(width=6, rows=3, kinds=2)
    mapping.fill([bank, bank + 50])
    drawn = mapping(torch.randn(4000, 6, generator=torch.Generator().manual_seed(2)))
    second = drawn.mean(dim=(1, 2)) > 25
    assert float(second.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert torch.allclose(drawn[second].mean(dim=0), bank.mean(dim=0) + 50, atol=0.2)
    assert torch.allclose(mapping.directions.flatten(1).norm(dim=1)[2:], torch.zeros(4), atol=1e-3)  # the kinds' difference is none


def test_a_generator_with_a_principal_mapping_draws_a_code_for_each_class():
    generator = Generator(**TINY, principal=1)
    generator.mapping.fill([identities(rows=28)])
    codes = generator.map(torch.randn(2, 6), {})
    assert codes.local.shape == (2, 28, 6)
    assert not torch.allclose(codes.local[:, 0], codes.local[:, 5])
    assert generator.mean_code(count=100).shape == (28, 6)
    assert torch.equal(Generator(**generator.config).mapping.directions, torch.zeros(6, 28, 6))


def test_one_mapping():
    with pytest.raises(ValueError, match="one mapping"):
        Generator(**{**TINY, "mapping_layers": 2}, principal=1)


def test_a_face_is_pulled_to_the_mean_of_its_kind():
    generator = Generator(**TINY, principal=2)
    bank = identities(rows=28)
    generator.mapping.fill([bank, bank + 50])
    codes = generator.map(torch.randn(40, 6, generator=torch.Generator().manual_seed(3)), {})
    pulled = truncate(codes, middle(generator)(codes), 0.0).local
    kinds = (codes.local.mean(dim=(1, 2)) > 25).long()
    assert 5 < int(kinds.sum()) < 35
    assert torch.allclose(pulled, generator.mapping.means[kinds])
