import math

import pytest
import torch
import torch.nn.functional as F

from vera.ops.layers import EqualizedConv, leaky


def test_convolution_is_scaled_weights_bias_and_leaky_relu():
    torch.manual_seed(0)
    layer, x = EqualizedConv(4, 6), torch.randn(2, 4, 5, 5)
    torch.nn.init.normal_(layer.bias)
    expected = F.leaky_relu(F.conv2d(x, layer.weight / math.sqrt(36), layer.bias, padding=1), 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(x), expected)
    layer.activation, layer.gain, layer.scale = False, 1.0, 1 / math.sqrt(36)
    torch.testing.assert_close(leaky(layer(x)), expected)


@pytest.mark.parametrize("activation", [False, True])
def test_the_gain_multiplies_the_result(activation):
    torch.manual_seed(0)
    one, three = (EqualizedConv(4, 6, activation=activation, gain=gain) for gain in (1.0, 3.0))
    torch.nn.init.normal_(one.bias)
    three.load_state_dict(one.state_dict())
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(three(x), 3 * one(x))


def test_without_bias_there_is_no_parameter_for_it():
    layer = EqualizedConv(4, 6, kernel=1, bias=False, activation=False)
    assert list(layer.state_dict()) == ["weight"]
    assert not layer(torch.zeros(1, 4, 3, 3)).any()


def test_padding_and_stride():
    x = torch.randn(1, 4, 9, 9)
    assert EqualizedConv(4, 6, stride=2)(x).shape == (1, 6, 5, 5)
    assert EqualizedConv(4, 6, stride=2, padding=0)(x).shape == (1, 6, 4, 4)


def test_gradients_to_second_order():
    torch.manual_seed(0)
    layer = EqualizedConv(2, 2).double()
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)

    def squares(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(("weight", "bias"), parameters, strict=True)), (x,)).square()

    inputs = (x, *(p.detach().requires_grad_() for p in layer.parameters()))
    assert torch.autograd.gradcheck(squares, inputs)
    assert torch.autograd.gradgradcheck(squares, inputs)
