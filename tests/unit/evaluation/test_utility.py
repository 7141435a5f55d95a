import numpy as np
import pytest
import torch
from torch import nn

from vera.evaluation.metrics.utility import LandmarkUtility, Ridge
from vera.types import VeraError


class Itself(nn.Module):
    def forward(self, images):
        return [images]


@pytest.fixture
def faces():
    """Images of which the brightness of four cells says where the landmarks are."""
    rng = np.random.default_rng(0)
    shifts = rng.uniform(-1, 1, (60, 4))
    base = rng.uniform(0, 32, (68, 2))
    base[36:42], base[42:48] = (10, 12), (22, 12)
    marks = base + 3 * (shifts @ rng.normal(size=(4, 68 * 2))).reshape(60, 68, 2) / 4
    images = torch.zeros(60, 3, 32, 32)
    for i, (y, x) in enumerate(((0, 0), (0, 24), (16, 8), (24, 24))):
        images[:, :, y : y + 8, x : x + 8] = torch.from_numpy(shifts[:, i]).float().view(-1, 1, 1, 1)
    return images, torch.from_numpy(marks), [f"person{i // 2}" for i in range(60)]


def judged(made, faces):
    images, marks, people = faces
    metric = LandmarkUtility(Itself(), side=32)
    for part in (slice(0, 13), slice(13, 60)):
        metric.update(made[part], images[part], marks[part], people[part])
    return metric.compute()


def test_untouched_faces_teach_what_real_ones_do(faces):
    result = judged(faces[0], faces)
    assert result["learnt_from_anonymized"] == result["learnt_from_real"]
    assert result["learnt_from_real"] < 0.01 < result["mean_face"]
    assert result["learnt_on"] + result["tested_on"] == 60
    assert result["tested_on"] >= 6


def test_grey_and_shuffled_faces_teach_no_more_than_the_mean_face(faces):
    for made in (torch.zeros_like(faces[0]), faces[0][torch.randperm(60, generator=torch.Generator().manual_seed(0))]):
        result = judged(made, faces)
        assert result["learnt_from_anonymized"] > 0.8 * result["mean_face"]
        assert result["learnt_from_real"] < 0.01


def test_ridge_is_the_textbooks_and_its_strength_has_the_least_error_one_left_out():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(15, 6))
    targets = rows @ rng.normal(size=(6, 2)) + rng.normal(size=(15, 2))

    def textbook(x, y, strength):
        centred = x - x.mean(0)
        weights = np.linalg.solve(centred.T @ centred + strength * np.eye(6), centred.T @ (y - y.mean(0)))
        return lambda new: (new - x.mean(0)) @ weights + y.mean(0)

    fitted = Ridge(rows, targets)
    np.testing.assert_allclose(fitted(rows[:3]), textbook(rows, targets, fitted.strength)(rows[:3]), atol=1e-9)

    def left_out(strength):
        errors = []
        for i in range(15):
            rest = np.arange(15) != i
            errors.append(np.square(textbook(rows[rest], targets[rest], strength)(rows[i]) - targets[i]).mean())
        return np.mean(errors)

    assert left_out(fitted.strength) <= min(left_out(fitted.strength * 10), left_out(fitted.strength / 10))


def test_too_little_is_refused(faces):
    images, marks, people = faces
    metric = LandmarkUtility(Itself(), side=32)
    with pytest.raises(VeraError, match="one of each"):
        metric.update(images, images, marks, people[:3])
    metric.update(images[:1], images[:1], marks[:1], people[:1])
    with pytest.raises(VeraError, match="three faces"):
        metric.compute()
