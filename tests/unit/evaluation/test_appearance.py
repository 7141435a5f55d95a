"""Appearance of a face before and after, the discrepancy of two sets, and skin tone: against other implementations, and by hand."""

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab
from sklearn.metrics.pairwise import rbf_kernel
from torch import nn

from vera.evaluation.metrics.appearance import AppearanceChange, lab_of_skin, seam_difference, skin_tone, typology_angle
from vera.evaluation.metrics.discrepancy import MeanDiscrepancy
from vera.types import VeraError

SIDE = 96


@pytest.fixture
def marks():
    """A frontal face of eye distance 32 in the middle."""
    angle = np.linspace(np.pi, 0, 17)
    points = np.zeros((68, 2))
    points[:17] = np.column_stack([48 + 34 * np.cos(angle), 40 + 40 * np.sin(angle)])
    points[17:] = (48, 48)
    points[36:42], points[42:48] = (32, 36), (64, 36)
    points[31], points[35] = (42, 54), (54, 54)
    return points


def face(lab):
    return np.broadcast_to((255 * lab2rgb(np.array([[lab]], dtype=float))).round().astype(np.uint8), (SIDE, SIDE, 3)).copy()


def measured(original, anonymized, preserved, marks, found=None):
    metric = AppearanceChange()
    metric.update(original, anonymized, preserved, marks, found)
    return metric.compute()


def test_nothing_changes_nothing(marks):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    kept = np.zeros((SIDE, SIDE), bool)
    kept[60:80, 40:60] = True
    found = measured(pixels, pixels, kept, marks, marks)
    assert found["seam_delta_e"] == found["seam_delta_e_before"] > 1
    unchanged = ("landmark_error", "skin_delta_e", "ita_change", "region_delta_e")
    assert [found[name] for name in (*unchanged, "sharpness")] == [0, 0, 0, 0, 1]


def test_each_change_is_its_own_figure(marks):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (SIDE, SIDE, 3))
    before, after = (np.clip(face(lab) + scale * noise, 0, 255).astype(np.uint8) for lab, scale in (((65, 12, 18), 8), ((45, 14, 20), 4)))
    kept = np.zeros((SIDE, SIDE), bool)
    kept[70:80, 40:60] = True
    after[kept] = before[kept]
    found = measured(before, after, kept, marks, marks + np.array([3.2, 0]))
    assert found["landmark_error"] == pytest.approx(0.1)
    skin = [lab_of_skin(pixels, marks) for pixels in (before, after)]
    assert found["skin_delta_e"] == pytest.approx(float(deltaE_ciede2000(*skin)))
    assert 15 < found["skin_delta_e"] < 25
    assert found["ita_change"] == pytest.approx(typology_angle(skin[1]) - typology_angle(skin[0]))
    softer = np.clip(face((65, 12, 18)) + 4 * noise, 0, 255).astype(np.uint8)
    assert measured(before, softer, np.zeros_like(kept), marks)["sharpness"] == pytest.approx(0.5, abs=0.05)
    assert found["region_delta_e"] == 0
    assert found["seam_delta_e"] > found["seam_delta_e_before"] + 10
    after[75, 50] = 0
    assert measured(before, after, kept, marks)["region_delta_e"] > 0
    assert measured(before, after, kept, marks)["landmark_error"] is None


def test_a_seam_is_the_mean_over_pairs_of_neighbours():
    rng = np.random.default_rng(1)
    pixels, region = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8), rng.uniform(size=(6, 7)) < 0.5
    lab, steps = rgb2lab(pixels), []
    for y in range(6):
        for x in range(7):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < 6 and u < 7 and region[y, x] != region[v, u]:
                    steps.append(float(deltaE_ciede2000(lab[y, x], lab[v, u])))
    assert seam_difference(pixels, region) == pytest.approx(np.mean(steps))
    assert np.isnan(seam_difference(pixels, np.zeros((6, 7), bool)))


@pytest.mark.parametrize(
    ("lab", "tone"),
    [
        ((80, 8, 14), "very light"), ((67, 10, 16), "light"), ((60, 12, 16), "intermediate"), ((56, 12, 18), "tan"),
        ((45, 12, 18), "brown"), ((30, 10, 12), "dark"),
    ],
)  # fmt: skip
def test_skin_tones_are_those_of_the_typology_angle(lab, tone, marks):
    assert skin_tone(face(lab), marks) == tone
    assert typology_angle(np.array([lab])[0]) == pytest.approx(np.degrees(np.arctan((lab[0] - 50) / lab[2])))
    assert skin_tone(face(lab), marks + 500) is None


def test_photographs_of_two_sizes_cannot_be_compared(marks):
    with pytest.raises(VeraError, match="compare photographs of one size"):
        AppearanceChange().update(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 8, 3), np.uint8), np.zeros((9, 9), bool), marks, None)


class Vectors(nn.Module):
    name = short = "clip"
    dimension = 12

    def forward(self, images):
        return images.flatten(1)


def test_the_discrepancy_is_that_of_scikit_learns_kernel():
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 20, 3, 2, 2))).float()
    metric = MeanDiscrepancy(Vectors())
    assert metric.name == "cmmd"
    for part in (slice(0, 7), slice(7, 20)):
        metric.update(images[0, part], real=True)
        metric.update(images[1, part], real=False)
    a, b = (nn.functional.normalize(side.double().flatten(1)).numpy() for side in images)
    kernel = [rbf_kernel(x, y, gamma=1 / 200).mean() for x, y in ((a, a), (b, b), (a, b))]
    assert metric.compute() == pytest.approx(1000 * (kernel[0] + kernel[1] - 2 * kernel[2]), abs=1e-6)
    with pytest.raises(VeraError, match="0 real and 0 generated"):
        MeanDiscrepancy(Vectors()).compute()
