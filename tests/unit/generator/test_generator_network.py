"""The fast paths against a plain reference: one class at a time, features projected before they are weighted."""

import math

import pytest
import torch
import torch.nn.functional as F

from vera.generator.network import Generator
from vera.types import NUM_CLASSES, TRANSPARENT, LatentCodes, to_probabilities

TINY = {
    "size": 32, "coarse_size": 16, "start_size": 8, "latent": 6, "local_channels": 5, "coarse_channels": 7,
    "layers": (2, 2, 2), "channels": {8: 6, 16: 5, 32: 4}, "attributes": {}, "mapping_layers": 2,
}  # fmt: skip


def codes_for(network, count=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    width = sum(network.attributes.values())
    return LatentCodes(
        torch.randn(count, network.rows, network.latent, generator=generator), torch.randn(count, width, generator=generator)
    )


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = Generator(**TINY)
    with torch.no_grad():
        for parameter in made.parameters():
            if not parameter.any():  # biases start at zero: a wrong one would not be seen
                parameter.normal_(std=0.1)
    return made


def plain_coarse(network, codes):
    """Coarse features and segmentation, class by class, sample by sample."""
    local, composition = network.local, network.composition
    every = []
    for b in range(len(codes)):
        features, depths = [], []
        for k in range(NUM_CLASSES):
            shape, texture = codes.local[b, 2 + 2 * k], codes.local[b, 3 + 2 * k]
            x = local.embed @ local.positions
            for n, layer in enumerate(local.styled):
                code = (codes.local[b, n % 2] if k else shape) if n < 2 else shape if n < 4 else texture
                style = layer.style_local[k] @ code / math.sqrt(network.latent) + layer.style_bias[k]
                style = style + layer.style_attributes[k] @ codes.attributes[b]
                weight = layer.weight[k] / math.sqrt(TINY["local_channels"]) * style
                weight = weight / (weight.square().sum(1, keepdim=True) + 1e-8).sqrt()
                x = F.leaky_relu(weight @ x + layer.bias[k], 0.2) * math.sqrt(2)
                if n == 3:
                    depth = local.to_depth[k] @ x / math.sqrt(TINY["local_channels"]) + local.depth_bias[k]
                    depths.append(depth * (k != 0))
            features.append(composition.to_feat[k] @ x / math.sqrt(TINY["local_channels"]) + composition.bias[k][:, None])
        probabilities = torch.cat(depths).softmax(0)
        opaque = [k for k in range(NUM_CLASSES) if k not in TRANSPARENT]
        weights = probabilities.clone()
        weights[opaque] = probabilities[opaque] / probabilities[opaque].sum(0)
        every.append((sum(w * f for w, f in zip(weights, features, strict=True)), probabilities))
    return tuple(torch.stack(part) for part in zip(*every, strict=True))


def test_coarse_map_equals_the_plain_reference(network):
    codes = codes_for(network)
    coarse, probabilities = network.composition(*network.local(codes.local, codes.attributes))
    expected, expected_probabilities = plain_coarse(network, codes)
    torch.testing.assert_close(coarse, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(probabilities, expected_probabilities, rtol=1e-5, atol=1e-6)


def test_background_ignores_the_base_codes(network):
    codes = codes_for(network)
    other = codes.local.clone()
    other[:, :2] += 1
    before, _ = network.local(codes.local, codes.attributes)
    after, depth = network.local(other, codes.attributes)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1], after[:, 1])
    assert torch.equal(depth[:, 0], torch.zeros_like(depth[:, 0]))


@pytest.mark.parametrize("coarse", [8, 16, 32])
def test_shapes_at_every_join(coarse):
    network = Generator(**{**TINY, "coarse_size": coarse})
    synthesis = network(codes_for(network))
    assert synthesis.image.shape == (2, 3, 32, 32)
    assert synthesis.segmentation.shape == (2, NUM_CLASSES, 32, 32)
    assert synthesis.coarse.shape == (2, NUM_CLASSES, coarse, coarse)
    torch.testing.assert_close(to_probabilities(synthesis.segmentation).sum(1), torch.ones(2, 32, 32))


def test_sizes_without_channels_are_refused():
    with pytest.raises(ValueError, match="channels"):
        Generator(**{**TINY, "channels": {8: 6, 32: 4}})


def test_attributes_condition_only_once_their_weights_are_trained():
    torch.manual_seed(0)
    network = Generator(**{**TINY, "attributes": {"pose": 3, "age": 2}})
    codes = codes_for(network)
    without = LatentCodes(codes.local, network.no_attributes(2, codes.local))
    assert torch.equal(network(codes).image, network(without).image)  # A_g starts at zero: a plain semantic generator
    torch.nn.init.normal_(network.local.styled[-1].style_attributes, std=0.5)
    assert not torch.allclose(network(codes).image, network(without).image)


def test_mapping_and_its_absence(network):
    codes = network.map(torch.randn(3, 6), {})
    assert codes.local.shape == (3, 28, 6)
    assert codes.attributes.shape == (3, 0)
    with pytest.raises(ValueError, match="bank"):
        Generator(**{**TINY, "mapping_layers": 0}).map(torch.randn(3, 6), {})


def test_one_class_code_moves_its_own_features_only(network):
    codes = codes_for(network)
    moved = codes.local.clone()
    moved[:, LatentCodes.rows([5])] += 1
    before, _ = network.local(codes.local, codes.attributes)
    after, _ = network.local(moved, codes.attributes)
    changed = (before - after).abs().amax(dim=(0, 2, 3)) > 0
    assert changed.nonzero().flatten().tolist() == [5]
