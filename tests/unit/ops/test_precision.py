import pytest
import torch

from vera.ops.precision import at_least_single


@pytest.mark.parametrize(
    ("given", "kept"),
    [(torch.bfloat16, torch.float32), (torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_half_precision_is_left_and_nothing_is_narrowed(given, kept):
    x = torch.tensor([0.5, -2.0], dtype=given)
    assert at_least_single(x).dtype == kept
    assert at_least_single(x).tolist() == [0.5, -2.0]
