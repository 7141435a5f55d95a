import torch

from vera.attributes.objective import FLOOR, standardised


def test_readings_of_any_spread_come_to_the_same():
    torch.manual_seed(0)
    values = torch.randn(64, 2) * torch.tensor([1.0, 5.0]) + 3
    torch.testing.assert_close(standardised(values).mean(dim=0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(standardised(values).std(dim=0, correction=0), torch.ones(2), rtol=1e-3, atol=0)
    torch.testing.assert_close(standardised(2 * values), standardised(values), rtol=1e-3, atol=1e-3)


def test_it_does_not_pay_that_all_faces_become_alike():
    torch.manual_seed(0)
    values = torch.randn(64, 1).requires_grad_()
    (standardised(values).square() * torch.rand(64, 1)).sum().backward()
    # The gradient along "all shrink towards the mean" vanishes.
    shrink = (values - values.mean()).detach()
    assert abs(float((values.grad * shrink).sum())) < 1e-2 * float(values.grad.norm() * shrink.norm())


def test_what_nobody_could_see_stays_small():
    values = torch.linspace(-1, 1, 9)[:, None] * FLOOR / 100
    assert standardised(values).abs().max() < 0.02
