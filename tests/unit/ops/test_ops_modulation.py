import math

import torch

from vera.ops.layers import EqualizedConv, EqualizedLinear
from vera.ops.modulation import modulated_pointwise


def test_agrees_with_modulating_the_weights_of_each_sample():
    x, weight, style = torch.randn(2, 3, 4, 5), torch.randn(3, 6, 4), torch.randn(2, 3, 4)
    got = modulated_pointwise(x, weight, style)
    for b in range(2):
        for k in range(3):
            w = weight[k] * style[b, k]
            w = w / (w.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
            torch.testing.assert_close(got[b, k], w @ x[b, k], rtol=1e-5, atol=1e-5)


def test_second_order_gradients():
    x, weight, style = (torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in [(1, 2, 2, 3), (2, 2, 2), (1, 2, 2)])
    assert torch.autograd.gradgradcheck(modulated_pointwise, (x, weight, style))


def test_equalized_layers_keep_unit_variance():
    torch.manual_seed(0)
    flat = EqualizedLinear(256, 256, lr_multiplier=0.01)(torch.randn(512, 256))
    conv = EqualizedConv(64, 64, activation=False)(torch.randn(4, 64, 16, 16))[..., 1:-1, 1:-1]
    assert math.isclose(flat.std().item(), 1, rel_tol=0.1)
    assert math.isclose(conv.std().item(), 1, rel_tol=0.1)
