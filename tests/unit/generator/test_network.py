"""The fast paths against a plain reference: one class at a time, features projected before they are weighted."""

import math

import pytest
import torch
import torch.nn.functional as F

from vera.generator.network import Generator
from vera.types import NUM_CLASSES, TRANSPARENT, LatentCodes, Semantic, VeraError, to_probabilities

TINY = {
    "size": 32, "coarse_size": 16, "start_size": 8, "classes": 13, "transparent": TRANSPARENT, "latent": 6, "local_channels": 5,
    "coarse_channels": 7, "layers": (2, 2, 2), "channels": {16: 5, 32: 4}, "attributes": {}, "mapping_layers": 2,
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


def plain_positions(size, side):
    """Encoding of each point, one number after another."""
    columns = []
    for y in torch.linspace(-1, 1, side):
        for x in torch.linspace(-1, 1, side):
            column = [x, y]
            for octave in range(int(math.log2(size))):
                f = 2**octave
                column += [torch.sin(f * x), torch.sin(f * y), torch.cos(f * x), torch.cos(f * y)]
            columns.append(torch.stack(column))
    return torch.stack(columns, dim=1)


def plain_coarse(network, codes):
    """Coarse features and segmentation, class by class, sample by sample."""
    local, composition = network.local, network.composition
    positions = plain_positions(network.size, network.coarse_size)
    width = math.sqrt(TINY["local_channels"])
    every = []
    for b in range(len(codes)):
        features, depths = [], []
        for k in range(NUM_CLASSES):
            shape, texture = codes.local[b, 2 + 2 * k], codes.local[b, 3 + 2 * k]
            x = local.embed @ positions / math.sqrt(len(positions))
            for n in range(6):
                code = (codes.local[b, n % 2] if k else shape) if n < 2 else shape if n < 4 else texture
                style = local.style_local[n, k] @ code / math.sqrt(network.latent) + local.style_bias[n, k]
                style = style + local.style_attributes[n, k] @ codes.attributes[b]
                weight = local.weight[n, k] / width * style
                weight = weight / (weight.square().sum(1, keepdim=True) + 1e-8).sqrt()
                x = F.leaky_relu(weight @ x + local.bias[n, k][:, None], 0.2) * math.sqrt(2)
                if n == 3 and k:
                    depths.append((local.depth_weight * local.depth_modulation / width)[k - 1] @ x + local.depth_bias[k - 1])
                elif n == 3:
                    depths.append(torch.zeros(x.shape[1]))
            to_feat = composition.weight[k] * composition.modulation[k] / width
            features.append(to_feat @ x + composition.bias[k][:, None])
        probabilities = torch.stack(depths).softmax(0)
        opaque = [k for k in range(NUM_CLASSES) if k not in TRANSPARENT]
        weights = probabilities.clone()
        weights[opaque] = probabilities[opaque] / probabilities[opaque].sum(0)
        every.append((sum(w * f for w, f in zip(weights, features, strict=True)), probabilities))
    return tuple(torch.stack(part) for part in zip(*every, strict=True))


def local_features(network, codes):
    return network.local(network.expand(codes), codes.attributes)


def test_coarse_map_equals_the_plain_reference(network):
    codes = codes_for(network)
    coarse, probabilities = network.composition(*local_features(network, codes))
    expected, expected_probabilities = plain_coarse(network, codes)
    torch.testing.assert_close(coarse.mT, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(probabilities, expected_probabilities, rtol=1e-5, atol=1e-6)


def test_background_ignores_the_base_codes(network):
    codes = codes_for(network)
    other = codes.local.clone()
    other[:, :2] += 1
    before, _ = local_features(network, codes)
    after, depth = local_features(network, codes.with_local(other))
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1], after[:, 1])
    assert torch.equal(depth[:, 0], torch.zeros_like(depth[:, 0]))


@pytest.mark.parametrize("coarse", [8, 16, 32])
def test_shapes_at_every_join(coarse):
    network = Generator(**{**TINY, "coarse_size": coarse, "start_size": 4, "channels": {8: 6, 16: 5, 32: 4}})
    synthesis = network(codes_for(network))
    assert synthesis.image.shape == (2, 3, 32, 32)
    assert synthesis.segmentation.shape == (2, NUM_CLASSES, 32, 32)
    assert synthesis.coarse.shape == (2, NUM_CLASSES, coarse, coarse)
    torch.testing.assert_close(to_probabilities(synthesis.segmentation).sum(1), torch.ones(2, 32, 32))


@pytest.mark.parametrize("wrong", [{"channels": {8: 6, 32: 4}}, {"coarse_size": 64}, {"coarse_size": 8}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="renderer"):
        Generator(**{**TINY, **wrong})


def test_attributes_condition_only_once_their_weights_are_trained():
    torch.manual_seed(0)
    network = Generator(**{**TINY, "attributes": {"pose": 3, "age": 2}})
    codes = codes_for(network)
    without = LatentCodes(codes.local, network.no_attributes(2, codes.local))
    assert torch.equal(network(codes).image, network(without).image)  # A_g starts at zero: a plain semantic generator
    torch.nn.init.normal_(network.local.style_attributes, std=0.5)
    assert not torch.allclose(network(codes).image, network(without).image)


def test_only_light_conditions_the_background():
    torch.manual_seed(0)
    network = Generator(**{**TINY, "attributes": {"pose": 3, "illumination": 2}})
    torch.nn.init.normal_(network.local.style_attributes, std=0.5)
    codes = codes_for(network)
    plain, _ = local_features(network, codes)
    for columns, moved in ((slice(0, 2), True), (slice(2, 5), False)):  # in the order of the alphabet
        attributes = codes.attributes.clone()
        attributes[:, columns] += 1
        features, _ = local_features(network, LatentCodes(codes.local, attributes))
        assert bool((features[:, 0] != plain[:, 0]).any()) is moved
        assert not torch.equal(features[:, 1], plain[:, 1])


def test_mapping_and_its_absence(network):
    codes = network.map(torch.randn(3, 6), {})
    assert codes.local.shape == (3, 28, 6)
    assert codes.attributes.shape == (3, 0)
    with pytest.raises(VeraError, match="bank"):
        Generator(**{**TINY, "mapping_layers": 0}).map(torch.randn(3, 6), {})


def test_one_class_code_moves_its_own_features_only(network):
    codes = codes_for(network)
    moved = codes.local.clone()
    moved[:, LatentCodes.rows([5])] += 1
    before, _ = local_features(network, codes)
    after, _ = local_features(network, codes.with_local(moved))
    changed = (before - after).abs().amax(dim=(0, 2, 3)) > 0
    assert changed.nonzero().flatten().tolist() == [5]


def test_noise_is_the_stored_one_or_the_one_that_is_given(network):
    codes = codes_for(network)
    stored = network(codes)
    assert torch.equal(network(codes).image, stored.image)
    assert network.noise_sides == [16, 16, 32, 32]
    given = [torch.randn(2, 1, side, side) for side in network.noise_sides]
    assert not torch.equal(network(codes, given).image, stored.image)
    same = [conv.noise for conv in network.renderer.convs]
    torch.testing.assert_close(network(codes, same), stored)
    with pytest.raises(VeraError, match="noise maps"):
        network(codes, given[:-1])


def test_checkpointing_changes_memory_only(network):
    codes = codes_for(network)
    gradients = []
    for wanted in (False, True):
        network.checkpointing = wanted
        network.zero_grad()
        synthesis = network(codes)
        (synthesis.image.square().sum() + synthesis.segmentation.square().sum()).backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    synthesising = [p for name, p in network.named_parameters() if "mapping" not in name and p.numel()]
    assert len(gradients[0]) == len(synthesising)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_second_order_gradients_reach_the_weights(network):
    """Path length differentiates a gradient: in-place activations and recomputation must stand it."""
    layers = network.expand(codes_for(network)).detach().requires_grad_()
    lengths = {}
    for wanted in (False, True):
        network.checkpointing = wanted
        image = network.synthesise(layers, layers.new_zeros(2, 0)).image
        (gradient,) = torch.autograd.grad(image.square().sum(), layers, create_graph=True)
        lengths[wanted] = torch.autograd.grad(gradient.square().sum(), network.local.weight)[0]
    assert lengths[False].abs().max() > 0
    torch.testing.assert_close(lengths[False], lengths[True])


def test_mixing_takes_the_named_rows_only(network):
    codes, other = codes_for(network), codes_for(network, count=1, seed=9)
    mixed = network.mix(codes, other, [Semantic.NOSE, Semantic.HAIR], texture=False)
    changed = (mixed.local != codes.local).any(dim=2)
    assert changed.nonzero()[:, 1].tolist() == [12, 16] * 2  # shape rows of nose and hair
    assert torch.equal(mixed.local[:, 12], other.local[:, 12].expand(2, -1))
    assert len((network.mix(codes, other, [5]).local != codes.local).any(dim=2)[0].nonzero()) == 2
    assert torch.equal(network.mix(codes, other, ["nose", "hair"], texture=False).local, mixed.local)
    assert torch.equal(network.mix(codes, other, "nose").local, network.mix(codes, other, [Semantic.NOSE]).local)
    for unknown, said in (("chin", "unknown semantic class 'chin'"), ([13], "no semantic class 13")):
        with pytest.raises(VeraError, match=said):
            network.mix(codes, other, unknown)


def test_mean_code_repeats_and_lies_in_the_middle(network):
    mean = network.mean_code(count=4000)
    assert torch.equal(mean, network.mean_code(count=4000))
    drawn = network.map(torch.randn(4000, 6), {}).local[:, 0].detach()
    torch.testing.assert_close(mean, drawn.mean(0), rtol=0, atol=float(drawn.std()) * 0.1)


def test_the_configuration_rebuilds_the_network(network):
    again = Generator(**network.config)
    again.load_state_dict(network.state_dict())
    codes = codes_for(network)
    assert torch.equal(again(codes).image, network(codes).image)


def test_attributes_are_concatenated_by_name_as_a_bundle_lists_them():
    made = Generator(**{**TINY, "attributes": {"pose": 2, "age": 3}})
    assert list(made.attributes.items()) == list(made.config["attributes"].items()) == [("age", 3), ("pose", 2)]
