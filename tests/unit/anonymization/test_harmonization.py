import pytest
import torch

from vera.anonymization.assembly import kept_rows
from vera.anonymization.harmonization import Surroundings, border_loss, harmonize
from vera.types import LatentCodes


@pytest.fixture
def replaced():
    region = torch.zeros(2, 1, 32, 32)
    region[:, :, 8:24, 8:24] = 1
    region[:, :, 18:21, 12:20] = 0  # a preserved mouth
    return region


def blurred_distance(a, b):
    pool = torch.nn.functional.avg_pool2d
    return (pool(a, 5, 1, 2) - pool(b, 5, 1, 2)).square().mean(dim=(1, 2, 3))


def test_the_replaced_interior_enters_no_loss(replaced):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 32, 32, generator=generator, requires_grad=True)
    segmentations = torch.rand(2, 13, 32, 32, generator=generator, requires_grad=True)
    surroundings = Surroundings.of(images, segmentations, replaced)
    generated = torch.rand(2, 3, 32, 32, generator=generator)

    def distance(a, b):
        return blurred_distance(a, b)

    loss = border_loss(generated, torch.rand(2, 13, 32, 32, generator=generator), surroundings, distance)
    loss.backward()
    inside = replaced.bool()
    assert (images.grad * inside).abs().max() == 0
    assert (segmentations.grad * inside).abs().max() == 0
    assert images.grad.abs().max() > 0
    assert not (surroundings.band & inside).any()
    assert surroundings.band[:, :, 19, 14:18].any()  # the preserved region's edge is read


def test_no_band_no_pull(replaced):
    surroundings = Surroundings.of(torch.zeros(1, 3, 32, 32), torch.zeros(1, 13, 32, 32), torch.zeros(1, 1, 32, 32))
    assert border_loss(torch.ones(1, 3, 32, 32), torch.ones(1, 13, 32, 32), surroundings, None) == 0


def test_joint_steps_fit_the_border_and_leave_the_photographs_rows(network, replaced):
    generator = torch.Generator().manual_seed(1)
    codes = LatentCodes(torch.randn(2, 28, 8, generator=generator), torch.zeros(2, 0))
    target = network.generator(codes)
    surroundings = Surroundings.of(target.image, (target.segmentation + 1) / 2, replaced)
    kept = torch.stack([kept_rows((), hair=False, rows=28)] * 2)
    identity = torch.randn(28, 8, generator=generator)
    unit = torch.ones(28, 8)

    def loss(local):
        synthesis = network.generator(codes.with_local(torch.where(kept[:, :, None], codes.local, local)))
        return float(border_loss(synthesis.image, synthesis.segmentation, surroundings, None))

    def fit(steps):
        return harmonize(network.generator, codes, identity, kept, surroundings, unit=unit, steps=steps, perceptual=None)

    torch.testing.assert_close(fit(0), identity)
    fitted = fit(15)
    torch.testing.assert_close(fit(15), fitted, rtol=0, atol=0)
    assert loss(fitted) < loss(identity)
    assert fitted.shape == identity.shape
    torch.testing.assert_close(fitted[kept[0]], identity[kept[0]])
    assert 0 < (fitted - identity).abs().max() < 0.5
