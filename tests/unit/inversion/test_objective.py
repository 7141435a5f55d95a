"""The terms that came with stage 3: true codes, identity; those of the autoencoder are tested beside refinement."""

import pytest
import torch
from torch import nn

from vera.generator.network import Synthesis
from vera.inversion.objective import InversionObjective, InversionWeights, code_distance
from vera.types import LatentCodes, Semantic

NONE = {"face": 0.0, "pixel": 0.0, "perceptual": 0.0, "segmentation": 0.0, "prior": 0.0}


def codes(value, count=2, attributes=0):
    return LatentCodes(torch.full((count, 28, 4), float(value)), torch.full((count, attributes), float(value)))


@pytest.fixture
def half_skin():
    segmentation = torch.zeros(2, 13, 32, 32)
    segmentation[:, Semantic.BACKGROUND, :, :16] = 1
    segmentation[:, Semantic.SKIN, :, 16:] = 1
    return segmentation


def test_code_distance_is_the_mean_square_of_what_is_seen(half_skin):
    true = codes(0)
    found = codes(0)
    found.local[0, LatentCodes.rows([Semantic.SKIN])[0]] = 3.0  # one of six rows: two base, two background, two skin
    found.local[1, LatentCodes.rows([Semantic.HAT])] = 3.0  # nobody wears one
    torch.testing.assert_close(code_distance(found, true, half_skin), torch.tensor([9 / 6, 0.0]))
    torch.testing.assert_close(code_distance(codes(2, attributes=3), codes(0, attributes=3), half_skin), torch.tensor([8.0, 8.0]))


def test_a_speck_counts_in_part(half_skin):
    half_skin[:, Semantic.EARRINGS, 0, :1] = 0.512  # half a thousandth of 1024 pixels
    found = codes(0)
    found.local[:, LatentCodes.rows([Semantic.EARRINGS])] = 1.0
    torch.testing.assert_close(code_distance(found, codes(0), half_skin), torch.tensor([1.0, 1.0]) / 7)


def test_true_codes_and_identity_are_terms_of_their_own(half_skin):
    class Recogniser(nn.Module):
        def forward(self, a, b):
            return (a - b).mean(dim=(1, 2, 3))

    grey, black = torch.zeros(2, 3, 32, 32), -torch.ones(2, 3, 32, 32)
    made = Synthesis(grey, 2 * half_skin - 1, half_skin)
    objective = InversionObjective(weights=InversionWeights(**NONE, identity=2.0, codes=0.5), perceptual=None, identity=Recogniser())
    loss, terms = objective(made, codes(1), black, half_skin, codes(0))
    assert terms["identity"].tolist() == [1.0, 1.0]
    assert terms["codes"].tolist() == [1.0, 1.0]
    assert loss.tolist() == [2.5, 2.5]
    loss, terms = objective(made, codes(1), black, half_skin)
    assert "codes" not in terms
    assert loss.tolist() == [2.0, 2.0]
    with pytest.raises(ValueError, match="identity term has a weight but no network"):
        InversionObjective(weights=InversionWeights(**NONE, identity=1.0), perceptual=None)
