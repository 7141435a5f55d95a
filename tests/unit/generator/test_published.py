"""Converted checkpoints against the plain reference network: outputs and gradients."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.reference.checkpoint import NARROW, TINY, content, networks
from tests.reference.rounding import assert_equal_but_for_rounding
from tests.reference.semantic_stylegan import PUBLISHED, inject
from tests.reference.semantic_stylegan import Generator as Reference

from vera.generator.published import Checkpoint, load_discriminator, load_generator
from vera.generator.published_names import discriminator_places, generator_places
from vera.types import LatentCodes, VeraError

VARIANTS = {
    "tiny": {},
    "averaged further": {"min_feat_size": 4},
    "joined early": {"size": 64, "coarse_size": 16, "channel_multiplier": 1},
    "never joined": {"coarse_size": 32},
    "one layer each": {"local_layers": 4, "depth_layers": 3},
    "no shape layer": {"depth_layers": 2, "local_layers": 3},
    "nothing transparent": {"transparent_dims": None},
    "textures detached": {"detach_texture": True},
    "others transparent": {"transparent_dims": [3, 7, 11]},
}
SINGLE, DOUBLE = (torch.float32, 1e-4, 5e-3), (torch.float64, 1e-9, 1e-9)
"""Type, tolerance of the outputs, tolerance of the gradients (see :func:`compare`)."""


def checkpoint(options, *trained, **changes):
    held = content(options, *trained, **changes)
    return Checkpoint(Path("x.pt"), "", vars(held["args"]), {name: held[name] for name in ("g_ema", "g", "d") if name in held})


def converted(read, made, dtype):
    """Reference networks and ours of a checkpoint, in this precision."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # our positions are a constant, computed in the constructor
    try:
        ours = load_generator(read).to(dtype), load_discriminator(read).to(dtype)
    finally:
        torch.set_default_dtype(default)
    return [network.to(dtype) for network in made], ours


def built(variant, dtype):
    """A variant's reference networks, ours, and the checkpoint between them."""
    options = {**TINY, **VARIANTS[variant]}
    made = networks({**options, "transparent_dims": options["transparent_dims"] or ()}, NARROW)
    args = {key: value for key, value in options.items() if key != "channel_multiplier"}  # the tests' channels are narrower
    read = checkpoint(args, *made)
    return *converted(read, made, dtype), read


def gradients(reference, ours, places):
    """Expected and found, by published name."""
    mine = {name: parameter.grad for name, parameter in ours.named_parameters()}
    found = {p.name: mine[p.ours][p.at].reshape(p.shape) for p in places(loadable(ours)) if mine.get(p.ours) is not None}
    return {name: parameter.grad for name, parameter in reference.named_parameters()}, found


def compare(expected, found, tolerance):
    """Gradients by name: in float64 each of them, in float32 all of them together.

    Where the input of a leaky ReLU is nearly zero, rounding decides its slope. In float32 a gradient that sums many signs feels
    that: the reference's own is as far from its gradient in float64.
    """
    assert found.keys() == expected.keys()
    assert all(gradient.any() for gradient in expected.values())
    differences = {name: found[name] - gradient for name, gradient in expected.items()}
    if differences[min(differences)].dtype == torch.float64:
        for name, difference in differences.items():
            assert difference.abs().max() <= tolerance * expected[name].abs().max(), name
    distance, size = (torch.cat([part.flatten() for part in parts.values()]).norm() for parts in (differences, expected))
    assert distance <= tolerance * size


def check_generator(reference, ours, tolerance, slopes, count=2):
    """Image, segmentation, coarse segmentation; gradients with respect to z and all parameters, to a tolerance of their own."""
    z = torch.randn(count, ours.latent, dtype=ours.local.embed.dtype)
    mine, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    found, expected = ours(ours.map(mine, {})), reference(reference.map(theirs))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    sum(part.square().mean() for part in found).backward()
    sum(part.square().mean() for part in expected).backward()
    compare({"z": theirs.grad}, {"z": mine.grad}, slopes)
    compare(*gradients(reference, ours, generator_places), slopes)


def check_discriminator(reference, ours, tolerance, slopes, count=8):
    """Logits; gradients with respect to images, segmentations and all parameters, to a tolerance of their own."""
    shape = (ours.size, ours.size)
    inputs = [torch.randn(count, channels, *shape, dtype=ours.logit.weight.dtype) for channels in (3, ours.classes)]
    mine, theirs = ([x.clone().requires_grad_() for x in inputs] for _ in range(2))
    found, expected = ours(*mine), reference(*theirs)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    found.square().mean().backward()
    expected.square().mean().backward()
    for one, other in zip(mine, theirs, strict=True):
        compare({"input": other.grad}, {"input": one.grad}, slopes)
    compare(*gradients(reference, ours, discriminator_places), slopes)


def loadable(network):
    return {**network.config, "channels": {int(side): width for side, width in network.config["channels"].items()}}


@pytest.mark.parametrize(("variant", "precision"), [*((variant, DOUBLE) for variant in VARIANTS), ("tiny", SINGLE)])
def test_converted_networks_equal_the_published_ones(variant, precision):
    dtype, tolerance, slopes = precision
    (generator, discriminator), (ours, our_discriminator), _ = built(variant, dtype)
    check_generator(generator, ours, tolerance, slopes)
    check_discriminator(discriminator, our_discriminator, tolerance, slopes)


def test_every_tensor_of_ours_is_written():
    _, ours, _ = built("tiny", torch.float32)
    for network, places in zip(ours, (generator_places, discriminator_places), strict=True):
        named = [(place.ours, place.at) for place in places(loadable(network)) if place.ours]
        assert len(set(named)) == len(named)
        written = {name: sum(entry[0] == name for entry in named) for name, _ in named}
        state = {name: tensor for name, tensor in network.state_dict().items() if tensor.numel()}
        assert written.keys() == state.keys()
        for name, tensor in state.items():
            depth = max(len(at) for entry, at in named if entry == name)
            assert written[name] == tensor.shape[:depth].numel(), name


def test_mixing_follows_the_published_rule():
    (reference, _), (ours, _), _ = built("tiny", torch.float64)
    first, second = torch.randn(2, 3, 28, 6, dtype=torch.float64)
    index = torch.randint(0, 3, (3, 13))
    index[:, :3] = torch.tensor([0, 1, 2])
    mixed = inject(first, second, index)
    assert torch.equal(mixed[:, :2], first[:, :2])
    expected = reference(mixed)
    found = first.clone()
    for b in range(3):
        for taken, shape in ((1, False), (2, True)):
            classes = (index[b] == taken).nonzero().flatten().tolist()
            codes, other = (LatentCodes(x[b : b + 1], x.new_zeros(1, 0)) for x in (found, second))
            found[b] = ours.mix(codes, other, classes, shape=shape, texture=True).local[0]
    assert torch.equal(found, mixed)
    assert_equal_but_for_rounding(ours(LatentCodes(found, found.new_zeros(3, 0))).image, expected[0])


def test_expanded_codes_and_given_noise():
    (reference, _), (ours, _), _ = built("averaged further", torch.float64)
    codes = torch.randn(2, 28, 6, dtype=torch.float64)
    expanded = ours.expand(LatentCodes(codes, codes.new_zeros(2, 0)))
    for k in range(13):
        for layer, code in enumerate(reference.layer_codes(codes, k)):
            assert torch.equal(expanded[:, k, layer], code)
    noise = [torch.randn(2, 1, side, side, dtype=torch.float64) for side in ours.noise_sides]
    expected, found = reference(codes, noise), ours.synthesise(expanded, codes.new_zeros(2, 0), noise)
    assert_equal_but_for_rounding(found, expected)
    assert (expected[0] - reference(codes)[0]).abs().max() > 1e-2  # noise is seen


def test_published_parameter_count():
    with torch.device("meta"):
        reference = Reference(size=256, **PUBLISHED)
    assert round(sum(p.numel() for p in reference.parameters()) / 1e6, 1) == 20.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "coarse", "precision"),
    [(64, 32, DOUBLE), (64, 32, SINGLE), (64, 64, SINGLE), (128, 64, DOUBLE), (128, 64, SINGLE), (256, 64, SINGLE), (512, 64, SINGLE)],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else None,
)
def test_converted_networks_equal_the_published_ones_at_published_sizes(size, coarse, precision):
    options = {**PUBLISHED, "size": size, "coarse_size": coarse}
    made, (dtype, tolerance, slopes) = networks(options), precision
    (generator, discriminator), (ours, our_discriminator) = converted(checkpoint(options, *made), made, dtype)
    check_generator(generator, ours, tolerance, slopes, count=1)
    check_discriminator(discriminator, our_discriminator, tolerance, slopes, count=2 if size < 128 else 1)


FAULTS = {
    "missing": ("g_ema", lambda t, a: t.pop("style.1.bias"), r"1 missing \(style\.1\.bias\)"),
    "missing at the root": ("g_ema", lambda t, a: t.pop("local_nets.0.to_feat.conv.weight"), "to_feat.conv.weight' is missing"),
    "unknown": ("g_ema", lambda t, a: t.update({f"extra.{n}": torch.ones(1) for n in range(5)}), r"5 unknown .*extra\.0.* and 2 more"),
    "misshaped": ("g_ema", lambda t, a: t.update({"style.1.bias": torch.zeros(7)}), r"style\.1\.bias \(7,\) instead of \(6,\)"),
    "another filter": ("g_ema", lambda t, a: t["render_net.convs.0.blur.kernel"].mul_(0.25), "not the filter"),
    "not finite": ("g_ema", lambda t, a: t["style.1.bias"].fill_(float("nan")), "finite"),
    "no number": ("g_ema", lambda t, a: t.update({"style.1.bias": "zero"}), "must be tensors"),
    "contradiction": ("g_ema", lambda t, a: a.update(coarse_size=8), "coarse_size is 8, its tensors say 16"),
    "no refinement": ("g_ema", lambda t, a: a.update(residual_refine=False), "residual_refine is off"),
    "argument missing": ("g_ema", lambda t, a: a.pop("depth_layers"), "nothing of 'depth_layers'"),
    "three bases": ("g_ema", lambda t, a: a.update(base_layers=3), "two base codes"),
    "no such class": ("g_ema", lambda t, a: a.update(transparent_dims=[13]), "transparent_dims"),
    "class missing": ("g_ema", lambda t, a: [t.pop(name) for name in list(t) if name.startswith("local_nets.12.")], "seg_dim"),
    "discriminator: unknown": ("d", lambda t, a: t.update({"extra": torch.ones(1)}), r"1 unknown \(extra\)"),
    "discriminator: missing": ("d", lambda t, a: t.pop("final_conv.1.bias"), r"1 missing \(final_conv\.1\.bias\)"),
    "discriminator: another filter": ("d", lambda t, a: t["convs_seg.1.skip.0.kernel"].add_(0.1), "not the filter"),
    "discriminator: another size": ("d", lambda t, a: a.update(size=64), "size is 64, its tensors say 32"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused(fault):
    network, change, says = FAULTS[fault]
    _, _, whole = built("tiny", torch.float32)
    read = copy.deepcopy(whole)
    change(read.networks[network], read.args)
    with pytest.raises(VeraError, match=says) as refused:
        load_discriminator(read) if network == "d" else load_generator(read)
    assert "\n" not in str(refused.value)


def test_another_multiplier():
    _, (ours, _), read = built("joined early", torch.float32)
    shown = ours.config["channels"]["64"] // 256
    load_generator(replace(read, args={**read.args, "channel_multiplier": shown}))
    with pytest.raises(VeraError, match="channel_multiplier is 3"):
        load_generator(replace(read, args={**read.args, "channel_multiplier": 3}))


def test_a_network_that_is_not_there():
    _, _, read = built("tiny", torch.float32)
    read.networks.pop("d")
    with pytest.raises(VeraError, match="holds no 'd', only g_ema, g"):
        load_discriminator(read)
