import numpy as np
import pytest

from vera.evaluation.metrics.preservation import Replacement

SQUARE = np.array([(10, 10), (29, 10), (29, 29), (10, 29)] * 17, dtype=float)


def pictures():
    original = np.full((40, 40, 3), 100, np.uint8)
    return original, original.copy(), np.zeros((40, 40), dtype=bool)


def test_share_of_the_landmarks_hull_outside_the_preserved_region():
    original, made, preserved = pictures()
    made[:, :, 2] += 1
    made[10:15, 10:30] = 100  # 100 of the hull's 400 pixels are left
    metric = Replacement()
    metric.update(original, made, preserved, SQUARE)
    assert metric.compute() == {"mean_share": 0.75, "least": 0.75, "photographs": 1}
    preserved[10:15] = True  # what is to be kept is not missing
    metric.update(original, made, preserved, SQUARE)
    assert metric.compute() == {"mean_share": 0.875, "least": 0.75, "photographs": 2}


def test_the_background_does_not_count():
    original, made, preserved = pictures()
    made[:9] = 0
    metric = Replacement()
    metric.update(original, made, preserved, SQUARE)
    assert metric.compute()["mean_share"] == 0


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_nothing_to_measure():
    original, made, preserved = pictures()
    metric = Replacement()
    assert metric.compute() == {"mean_share": None, "least": None, "photographs": 0}
    metric.update(original, made, ~preserved, SQUARE)
    assert metric.compute()["photographs"] == 0
