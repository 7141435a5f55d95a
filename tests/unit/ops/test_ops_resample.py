import pytest
import torch
import torch.nn.functional as F

from vera.ops.resample import blur_after_transposed, downsample, upsample

KERNEL = torch.tensor([1.0, 3.0, 3.0, 1.0])


def fir(x, gain, padding):
    """The plain way: zero-pad and correlate every channel with the outer product of [1, 3, 3, 1]."""
    kernel = KERNEL.to(x.dtype)
    kernel = torch.outer(kernel, kernel)
    kernel = (kernel / kernel.sum() * gain)[None, None]
    batch, channels = x.shape[:2]
    y = F.conv2d(F.pad(x.flatten(0, 1)[:, None], (*padding, *padding)), kernel)
    return y.unflatten(0, (batch, channels))[:, :, 0]


@pytest.fixture
def x():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_upsample_is_zero_insertion_and_fir(x):
    spread = torch.zeros(2, 3, 16, 16, dtype=x.dtype)
    spread[..., ::2, ::2] = x
    torch.testing.assert_close(upsample(x), fir(spread, 4, (2, 1)))


def test_downsample_is_fir_and_decimation(x):
    torch.testing.assert_close(downsample(x), fir(x, 1, (1, 1))[..., ::2, ::2])


def test_blur_after_transposed_convolution_is_fir(x):
    torch.testing.assert_close(blur_after_transposed(x), fir(x, 4, (1, 1)))


@pytest.mark.parametrize("operation", [upsample, downsample, blur_after_transposed])
def test_gradients_to_second_order(operation):
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: operation(t).square(), x)
    assert torch.autograd.gradgradcheck(lambda t: operation(t).square(), x)
