import numpy as np
import pytest
import torch

from vera.evaluation.metrics.discrepancy import KernelDistance
from vera.features.pooled import PooledFeatures
from vera.types import VeraError


class Pixels(PooledFeatures):
    name, short, dimension = "pixels", "pixels", 12

    def forward(self, images):
        return images.flatten(1)


def measured(real, made, **options):
    metric = KernelDistance(Pixels(), **options)
    metric.update(real.view(-1, 3, 2, 2), real=True)
    for part in made.split(7):
        metric.update(part.view(-1, 3, 2, 2), real=False)
    return metric.compute()


@pytest.fixture
def sides():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, 12, generator=generator), torch.randn(35, 12, generator=generator) * 1.3 + 0.2


def test_agrees_with_torch_fidelity(sides):
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    in_order = [side[np.lexsort(side.numpy().T[:3])].double() for side in sides]
    expected = fidelity.kid_features_to_metric(
        *in_order, kid_subsets=9, kid_subset_size=20, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1, rng_seed=2020, verbose=False,
    )  # fmt: skip
    found = measured(*sides, subsets=9, subset_size=20)
    assert found["mean"] == pytest.approx(expected["kernel_inception_distance_mean"], abs=1e-8)
    assert found["std"] == pytest.approx(expected["kernel_inception_distance_std"], abs=1e-8)


def test_is_the_unbiased_estimate_written_out(sides):
    x, y = (side[:30].double() for side in sides)

    def kernel(a, b):
        return (a @ b.T / 12 + 1) ** 3

    within = [(kernel(s, s).sum() - kernel(s, s).diag().sum()) / (30 * 29) for s in (x, y)]
    expected = within[0] + within[1] - 2 * kernel(x, y).mean()
    assert measured(x.float(), y.float(), subsets=2, subset_size=30)["mean"] == pytest.approx(float(expected), rel=1e-5)


def test_the_order_of_images_does_not_matter(sides):
    options = {"subsets": 5, "subset_size": 10}
    assert measured(*sides, **options) == measured(sides[0].flip(0), sides[1].roll(3, 0), **options)


def test_same_distribution_is_near_zero_and_another_is_not():
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 200, 12, generator=generator)
    same = measured(a, b, subsets=4, subset_size=200)["mean"]
    assert abs(same) < 0.1 < measured(a, b + 1, subsets=4, subset_size=200)["mean"]


def test_too_few_images_are_refused(sides):
    with pytest.raises(VeraError, match="40 real and 35 generated"):
        measured(*sides, subsets=1, subset_size=36)


def test_only_inception_makes_it_the_kid():
    features = Pixels()
    metric = KernelDistance(features, subsets=1, subset_size=2)
    assert metric.name == "kernel_pixels"
    features.short = "inception"
    assert metric.name == "kid"
