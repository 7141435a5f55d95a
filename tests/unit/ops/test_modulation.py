import math

import pytest
import torch

from vera.ops.layers import EqualizedConv, EqualizedLinear
from vera.ops.modulation import modulated_pointwise


def plain(x, weight, style, bias, gain):
    out = torch.empty(*style.shape[:2], weight.shape[1], x.shape[-1], dtype=x.dtype)
    for b in range(len(style)):
        for k in range(len(weight)):
            w = weight[k] * style[b, k]
            w = w / (w.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
            out[b, k] = gain * (w @ x[b % len(x), k % x.shape[1]] + bias[k][:, None])
    return out


@pytest.mark.parametrize("shared", [False, True])
def test_agrees_with_one_network_and_sample_after_another(shared):
    x = torch.randn(1, 1, 4, 5) if shared else torch.randn(2, 3, 4, 5)
    weight, style, bias = torch.randn(3, 6, 4), torch.randn(2, 3, 4), torch.randn(3, 6)
    got = modulated_pointwise(x, weight, style, bias, gain=1.5)
    torch.testing.assert_close(got, plain(x, weight, style, bias, 1.5), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_gradients_to_second_order(shared):
    shapes = [(1, 1, 2, 3) if shared else (1, 2, 2, 3), (2, 2, 2), (1, 2, 2), (2, 2)]
    arguments = tuple(torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in shapes)
    assert torch.autograd.gradcheck(modulated_pointwise, arguments)
    assert torch.autograd.gradgradcheck(modulated_pointwise, arguments)


def test_equalized_layers_keep_unit_variance():
    torch.manual_seed(0)
    flat = EqualizedLinear(256, 256, lr_multiplier=0.01)(torch.randn(512, 256))
    conv = EqualizedConv(64, 64, activation=False)(torch.randn(4, 64, 16, 16))[..., 1:-1, 1:-1]
    assert math.isclose(flat.std().item(), 1, rel_tol=0.1)
    assert math.isclose(conv.std().item(), 1, rel_tol=0.1)
