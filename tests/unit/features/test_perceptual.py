import pytest
import torch

from vera.features.efficientnet import EfficientNetLite0
from vera.features.perceptual import PerceptualDistance


@pytest.fixture(scope="module")
def distance():
    return PerceptualDistance()


def test_the_packaged_weights_are_the_trained_ones():
    torch.manual_seed(0)
    trained, random = EfficientNetLite0(stages=(4,)), EfficientNetLite0(stages=(4,), pretrained=False)
    assert not torch.equal(trained.network.conv_stem.weight, random.network.conv_stem.weight)
    assert not torch.equal(trained.network.bn1.running_var, torch.ones_like(trained.network.bn1.running_var))
    assert not torch.equal(trained.network.bn1.running_mean, torch.zeros_like(trained.network.bn1.running_mean))


def test_zero_for_equal_images_and_growing_with_noise(distance):
    a = torch.rand(2, 3, 64, 64) * 2 - 1
    noise = torch.randn_like(a)
    assert distance(a, a).abs().max() < 1e-6
    near, far = distance(a + 0.05 * noise, a), distance(a + 0.5 * noise, a)
    assert (near > 0).all()
    assert (far > near).all()


def test_a_weight_moves_attention(distance):
    a = torch.zeros(1, 3, 64, 64)
    b = a.clone()
    b[..., :16] = torch.rand(1, 3, 64, 16)
    even, on, off = torch.ones(1, 1, 64, 64), torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    on[..., :16], off[..., 48:] = 1, 1
    torch.testing.assert_close(distance(a, b, even), distance(a, b))
    assert distance(a, b, on) > distance(a, b) > distance(a, b, off)


def test_gradients_reach_the_image_and_nothing_else(distance):
    a, b = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 3, 32, 32, requires_grad=True)
    distance.train()
    distance(a, b).sum().backward()
    assert a.grad.abs().sum() > 0
    assert b.grad is None
    assert not any(p.requires_grad for p in distance.parameters())
    assert not any(m.training for m in distance.features.modules())  # batch statistics stay ImageNet's


def test_vectors_of_each_image_give_the_distance_of_each_pair(distance):
    torch.manual_seed(1)
    a, b = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(3, 3, 64, 64) * 2 - 1
    found = torch.cdist(distance.vectors(a), distance.vectors(b)).square()
    assert found.shape == (2, 3)
    for n, m in ((0, 0), (1, 2)):
        torch.testing.assert_close(found[n, m], distance(a[n : n + 1], b[m : m + 1])[0], rtol=1e-4, atol=1e-6)
