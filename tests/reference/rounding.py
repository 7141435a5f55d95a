"""Two ways to the same numbers, which differ by rounding alone.

They add the same numbers in another order, and the order of a sum depends on the processor and on the number of threads. In single
precision no tolerance is both sharp and safe: a gradient jumps where a leaky ReLU changes its slope, an optimizer's step where a gradient
changes its sign, and among thousands of activations one lies as near to zero as rounding is large. In double precision rounding is 5e8
times smaller and no activation lies that near. So such tests compute in double precision; the tolerance lies far above rounding and far
below any real difference.
"""

import torch

TOLERANCE = 1e-9
"""Of the largest number of a tensor. Rounding is 1e-16 a sum; some thousand terms, several networks and a few steps multiply it."""


def assert_equal_but_for_rounding(found, expected, name=""):
    """Two tensors, or sequences of tensors, in double precision: each differs by at most ``TOLERANCE`` of its largest number."""
    if not isinstance(expected, torch.Tensor):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_equal_but_for_rounding(one, other, f"{name}[{number}]")
        return
    assert expected.dtype == torch.float64, f"{name} is {expected.dtype}: it was computed in another precision"
    largest = expected.detach().abs().max().item() if expected.numel() else 0.0
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * largest, msg=lambda why: f"{name}: {why}")
