import pytest
import torch

from vera.attributes.mirrored import mirror
from vera.rng import Draws

ATTRIBUTES = {"pose": 3, "age": 2, "light": 4}
INDICES = [5, 9, 2]


@pytest.fixture
def normal():
    return Draws(0, torch.device("cpu")).normal


def groups(batch, count):
    """Faces of one anchor: anchor, then positive and hard negative (or second positive) for each attribute."""
    for anchor in range(count):
        rows = list(range(anchor, len(batch.z), count))
        yield {"z": batch.z[rows], **{name: codes[rows] for name, codes in batch.attributes.items()}}


def test_hard_negatives_are_the_anchor_but_for_one_code(normal):
    batch = mirror(normal, INDICES, latent=6, attributes=ATTRIBUTES, hard_negatives=True)
    assert len(batch.z) == 3 * (1 + 2 * 3)
    for group in groups(batch, 3):
        for number, changed in enumerate(ATTRIBUTES):
            positive, negative = 1 + 2 * number, 2 + 2 * number
            for name, codes in group.items():
                assert torch.equal(codes[0], codes[negative]) == (name != changed)
                assert torch.equal(codes[0], codes[positive]) == (name == changed)


def test_shares_says_which_codes_are_one_draw(normal):
    for hard_negatives in (True, False):
        batch = mirror(normal, INDICES, latent=6, attributes=ATTRIBUTES, hard_negatives=hard_negatives)
        for name, codes in batch.attributes.items():
            equal = (codes[:, None] == codes[None]).all(dim=2)
            assert torch.equal(equal, batch.shares[name][:, None] == batch.shares[name][None])


def test_a_hard_negative_of_another_attribute_is_a_positive(normal):
    shares = mirror(normal, INDICES, latent=6, attributes=ATTRIBUTES, hard_negatives=True).shares["pose"]
    same = (shares[:, None] == shares[None]).sum(dim=1)
    assert same[:3].tolist() == [4, 4, 4]  # the anchor, its positive, the hard negatives of age and light
    assert sorted(set(same.tolist())) == [1, 4]


def test_without_mirroring_a_batch_costs_the_same_and_has_no_hard_negatives(normal):
    batch = mirror(normal, INDICES, latent=6, attributes=ATTRIBUTES, hard_negatives=False)
    assert len(batch.z) == 3 * (1 + 2 * 3)
    for group in groups(batch, 3):
        assert len(torch.unique(group["z"], dim=0)) == 7  # everything but one attribute is redrawn
        for number, kept in enumerate(ATTRIBUTES):
            for row in (1 + 2 * number, 2 + 2 * number):
                assert {name for name, codes in group.items() if torch.equal(codes[0], codes[row])} == {kept}


def test_two_processes_make_the_batch_of_one(normal):
    whole = mirror(normal, INDICES, latent=6, attributes=ATTRIBUTES, hard_negatives=True)
    part = mirror(normal, INDICES[1:], latent=6, attributes=ATTRIBUTES, hard_negatives=True)
    rows = [row for row in range(len(whole.z)) if row % 3 != 0]
    torch.testing.assert_close(part.z, whole.z[rows], rtol=0, atol=0)
    for name in ATTRIBUTES:
        torch.testing.assert_close(part.attributes[name], whole.attributes[name][rows], rtol=0, atol=0)
        assert torch.equal(part.shares[name], whole.shares[name][rows])
