import pytest
import torch
from torch import nn

from vera.training.ema import EMA
from vera.training.schedule import Schedule
from vera.types import VeraError


def test_half_life_in_images():
    ema = EMA(nn.Linear(1, 1), half_life=100, ramp_up=10)
    assert ema.decay(100, images_seen=10_000) == pytest.approx(0.5)
    assert ema.decay(16, images_seen=10_000) ** (100 / 16) == pytest.approx(0.5)
    assert ema.decay(10, images_seen=1) == pytest.approx(0.5)  # ramp-up: half-life 10 after one image


def test_parameters_lerp_and_buffers_copy():
    network = nn.BatchNorm1d(2)
    ema = EMA(network, half_life=16, ramp_up=1e9)
    with torch.no_grad():
        network.weight.fill_(3)
        network.running_mean.fill_(7)
    ema.update(network, images=16, images_seen=16)
    assert ema.network.weight.tolist() == [2, 2]
    assert ema.network.running_mean.tolist() == [7, 7]
    assert not any(p.requires_grad for p in ema.network.parameters())


def test_schedule():
    schedule = Schedule(total=1000, warm_up=0.1, cool_down=0.2)
    assert schedule.factor(0) == pytest.approx(0.01)
    assert schedule.factor(500) == 1
    assert schedule.factor(900) == pytest.approx(0.5)
    assert schedule.factor(1000) == pytest.approx(0)
    assert Schedule(total=10, warm_up=0.0, cool_down=0.0).factor(9) == 1
    with pytest.raises(VeraError, match="together at most 1"):
        Schedule(total=10, warm_up=0.5, cool_down=0.6)
