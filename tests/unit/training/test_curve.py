import pytest
import torch

from vera.evaluation.metrics.frechet import Statistics
from vera.training.callbacks.curve import FrechetCurve


def test_damaged_statistics_of_an_earlier_start_are_computed_again(tmp_path):
    path = tmp_path / "frechet_reference.safetensors"
    made = Statistics(torch.zeros(3), torch.eye(3), 5, "pixels", "drawn, PNG")
    made.save(path)
    assert FrechetCurve._kept(path).digest == made.digest
    path.write_bytes(path.read_bytes()[:-4])  # what a kill leaves
    with pytest.warns(UserWarning, match="is damaged"):
        assert FrechetCurve._kept(path) is None
