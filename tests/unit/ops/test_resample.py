import importlib.util
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import vera.ops.resample
from vera.ops.resample import blur, blur_after_transposed, downsample, upsample

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


@pytest.mark.parametrize("padding", [1, 2])
def test_blur_is_fir(x, padding):
    torch.testing.assert_close(blur(x, padding=padding), fir(x, 1, (padding, padding)))


OPERATIONS = [upsample, downsample, blur_after_transposed, partial(blur, padding=2)]


@pytest.mark.parametrize("side", [4, 6])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_gradients_to_second_order(operation, side):
    x = torch.randn(1, 2, side, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: operation(t).square(), x)
    assert torch.autograd.gradgradcheck(lambda t: operation(t).square(), x)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_layout_and_single_precision_change_nothing(operation, x):
    expected, single = operation(x), x.float()
    torch.testing.assert_close(operation(single), expected.float())
    torch.testing.assert_close(operation(single.to(memory_format=torch.channels_last)), expected.float())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_type_is_kept_under_autocast(operation, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert operation(x.float()).dtype == torch.float32
        assert operation(x.bfloat16()).dtype == torch.bfloat16


def test_is_one_graph_for_the_compiler(x):
    spec = importlib.util.spec_from_file_location("unchecked_resample", vera.ops.resample.__file__)  # the compiler can't see
    unchecked = importlib.util.module_from_spec(spec)  # through the checks of shapes that tests put around every function
    spec.loader.exec_module(unchecked)

    def round_trip(t):
        return unchecked.downsample(unchecked.blur_after_transposed(unchecked.upsample(t))[..., 1:, 1:])

    x.requires_grad_()
    got, expected = torch.compile(round_trip, fullgraph=True, backend="aot_eager")(x), round_trip(x)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), x) for y in (got, expected)))
