import math

import pytest
import torch
from torch import nn

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.objective import ContrastiveObjective, Margin, NTXent, same_code
from vera.attributes.projection import NoProjection, Projection
from vera.types import VeraError


class Numbers(AttributeEncoder):
    """Reads the first two pixels."""

    size = None

    def __init__(self):
        super().__init__()
        self.describe({"a": "", "b": ""}, {"a": [-1, 1], "b": [0, 4]})

    def forward(self, images, segmentations):
        return images[:, 0, 0, :2]


def plain_ntxent(features, codes, temperature):
    """Slow, from the formula."""
    total = []
    for i in range(len(features)):
        others = [j for j in range(len(features)) if j != i]
        scores = {j: math.exp(float(features[i] @ features[j]) / temperature) for j in others}
        positive = [j for j in others if codes[j] == codes[i]]
        if positive:
            total.append(sum(-math.log(scores[p] / sum(scores.values())) for p in positive) / len(positive))
    return sum(total) / len(total)


@pytest.mark.parametrize("m", [4, 9])
def test_at_equality_the_loss_is_the_log_of_the_others(m):
    codes = torch.arange(m) // 2
    loss = NTXent(temperature=0.1)(torch.full((m, m), 0.7), same_code(codes))
    assert float(loss) == pytest.approx(math.log(m - 1), rel=1e-6)


def test_ntxent_is_its_formula():
    torch.manual_seed(0)
    features = nn.functional.normalize(torch.randn(10, 5), dim=1)
    codes = torch.tensor([0, 0, 0, 1, 1, 2, 3, 4, 4, 4])
    got = NTXent(temperature=0.3)(features @ features.T, same_code(codes))
    assert float(got) == pytest.approx(plain_ntxent(features, codes.tolist(), 0.3), rel=1e-5)


def test_one_positive_pulls_and_all_negatives_push():
    cosines = torch.zeros(4, 4, requires_grad=True)
    positive = torch.zeros(4, 4, dtype=torch.bool)
    positive[0, 1] = True
    (gradient,) = torch.autograd.grad(NTXent(temperature=0.5)(cosines, positive), cosines)
    # At equality: softmax is 1/3 everywhere, over τ.
    torch.testing.assert_close(gradient[0], torch.tensor([0.0, (1 / 3 - 1) / 0.5, 1 / 3 / 0.5, 1 / 3 / 0.5]))
    assert not gradient[1:].any()  # faces without a positive are negatives only


def test_a_face_is_not_its_own_positive_or_negative():
    features = nn.functional.normalize(torch.randn(6, 3), dim=1)
    codes = torch.arange(6) // 2
    cosines = features @ features.T
    for loss in (NTXent(temperature=0.1), Margin(same=0.1, different=0.5)):
        assert float(loss(cosines, same_code(codes))) == pytest.approx(float(loss(cosines.fill_diagonal_(-1.0), same_code(codes))))


def test_margin_costs_only_beyond_its_thresholds():
    loss, positive = Margin(same=0.1, different=0.5), same_code(torch.tensor([0, 0, 1]))
    good = torch.tensor([[1, 0.95, 0.3], [0.95, 1, 0.4], [0.3, 0.4, 1]])
    assert float(loss(good, positive)) == 0
    bad = torch.tensor([[1, 0.7, 0.8], [0.7, 1, 0.5], [0.8, 0.5, 1]])
    assert float(loss(bad, positive)) == pytest.approx((0.3 - 0.1) + (0.5 - 0.2) / 2, rel=1e-5)  # of two other pairs one is far enough


def test_projections_are_unit_vectors_and_no_projection_keeps_order():
    torch.manual_seed(0)
    made = Projection(width=2, hidden=8, outputs=5)(torch.randn(3, 2))
    torch.testing.assert_close(made.norm(dim=1), torch.ones(3))
    line = NoProjection()(torch.tensor([[-1.0], [0.0], [0.5], [2.0]]))
    distances = (1 - line @ line.T)[0]
    assert (distances.diff() > 0).all()  # one number is not reduced to its sign


def test_values_are_scaled_by_the_encoders_ranges():
    encoder = Numbers()
    scaled = encoder.scaled(torch.tensor([[-1.0, 0.0], [1.0, 4.0], [0.0, 2.0]]))
    torch.testing.assert_close(scaled, torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]]).tanh())
    assert encoder.scaled(torch.tensor([[1e6, -1e6]])).abs().max() == 1  # there is nothing to gain far outside


def test_encoders_are_frozen_and_heads_are_not():
    objective = ContrastiveObjective(
        encoders={"x": Numbers()}, weights={"x": 2.0}, loss=NTXent(temperature=0.1), projection={"hidden": 4, "outputs": 3}
    )
    assert [n for n, p in objective.named_parameters() if p.requires_grad] == [f"heads.{n}" for n, _ in objective.heads.named_parameters()]
    losses = objective({"x": torch.randn(4, 2)}, {"x": torch.tensor([0, 0, 1, 1])})
    assert float(objective.total(losses)) == pytest.approx(2 * float(losses["x"]))
    assert not objective.train().encoders["x"].training


def test_an_attribute_needs_encoder_and_weight():
    with pytest.raises(VeraError, match="give each attribute both"):
        ContrastiveObjective(encoders={"x": Numbers()}, weights={}, loss=NTXent(temperature=0.1), projection=None)


def test_ranges_must_fit():
    with pytest.raises(VeraError, match="low, high"):
        Numbers().describe({"a": ""}, {"a": [1, 0]})
    with pytest.raises(VeraError, match="some of a"):
        Numbers().describe({"a": ""}, {"c": [0, 1]})
