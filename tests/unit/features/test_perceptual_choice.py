import pytest
import torch
import torchvision

from vera.features.lpips_network import LpipsNetwork
from vera.features.perceptual import PerceptualDistance
from vera.features.perceptual_choice import perceptual
from vera.types import VeraError


@pytest.fixture(scope="module")
def squeeze(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
    return path


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 2, 3, 64, 64, generator=generator) * 2 - 1


def test_lite0_is_the_default_that_needs_no_file():
    assert isinstance(perceptual("lite0"), PerceptualDistance)
    with pytest.raises(VeraError, match="come as a package"):
        perceptual("lite0", "weights.pth")
    with pytest.raises(VeraError, match="unknown LPIPS backbone"):
        perceptual("inception")


def test_lpips_without_a_weight_is_lpips_up_to_the_enlargement_of_its_maps(squeeze, pair):
    weighted, published = perceptual("squeeze", squeeze), LpipsNetwork("squeeze", squeeze)
    torch.testing.assert_close(weighted(*pair), published(*pair), rtol=0.1, atol=0)
    assert weighted(pair[0], pair[0]).abs().max() == 0


def test_only_weighted_pixels_count(squeeze, pair):
    network = perceptual("squeeze", squeeze)
    a, b = pair[0], pair[0].clone()
    b[..., :32] = pair[1][..., :32]  # the left halves differ
    left, right = torch.zeros(2, 2, 1, 64, 64)
    left[..., :16], right[..., 48:] = 1, 1
    assert (network(a, b, left) > 5 * network(a, b, right)).all()
    torch.testing.assert_close(network(a, b, torch.full((2, 1, 64, 64), 3.0)), network(a, b))


def test_no_gradient_flows_into_the_target(squeeze, pair):
    a, b = pair[0].clone().requires_grad_(), pair[1].clone().requires_grad_()
    perceptual("squeeze", squeeze)(a, b).sum().backward()
    assert a.grad.abs().max() > 0
    assert b.grad is None
