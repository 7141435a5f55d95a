"""Names and shapes of the published SemanticStyleGAN's tensors, each beside its place in our networks (Shi et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DOWN, UP = 1.0, 4.0
"""Sums of the fixed FIR kernels: 1, and 4 where zeros are inserted between the pixels first."""


@dataclass(frozen=True)
class TensorPlace:
    """One published tensor and where it goes.

    Attributes:
        name: published name of the tensor.
        shape: published shape of the tensor.
        ours: the name in our state dictionary; empty for a fixed FIR kernel, which is a constant here.
        at: index in our tensor, which may hold all layers and classes.
        gain: sum of a fixed kernel.

    """

    name: str
    shape: tuple[int, ...]
    ours: str = ""
    at: tuple[int, ...] = ()
    gain: float = 0.0


def generator_places(config: Mapping[str, Any]) -> Iterator[TensorPlace]:
    """Every tensor of a published generator.

    Args:
        config: the arguments of :class:`vera.generator.network.Generator`; it has no attributes.

    """
    latent = config["latent"]
    for n in range(config["mapping_layers"]):
        yield TensorPlace(f"style.{n + 1}.weight", (latent, latent), f"mapping.layers.{n}.weight")
        yield TensorPlace(f"style.{n + 1}.bias", (latent,), f"mapping.layers.{n}.bias")
    octaves = int(config["size"]).bit_length() - 1
    yield TensorPlace("pos_embed.weights", (config["local_channels"], 2 * (2 * octaves + 1), 1, 1), "local.embed")
    for k in range(config["classes"]):
        yield from _local_places(config, k)
    yield from _renderer_places(config)


def _local_places(config: Mapping[str, Any], k: int) -> Iterator[TensorPlace]:
    width, latent, net = config["local_channels"], config["latent"], f"local_nets.{k}"
    for number in range(sum(config["layers"])):
        layer, at = f"{net}.linears.{number}", (number, k)
        yield TensorPlace(f"{layer}.conv.weight", (1, width, width, 1, 1), "local.weight", at)
        yield TensorPlace(f"{layer}.conv.modulation.weight", (width, latent), "local.style_local", at)
        yield TensorPlace(f"{layer}.conv.modulation.bias", (width,), "local.style_bias", at)
        yield TensorPlace(f"{layer}.activate.bias", (width,), "local.bias", at)
    heads = [("to_feat", config["coarse_channels"], "composition.", k)]
    if k:  # the background has no depth
        heads.append(("to_depth", 1, "local.depth_", k - 1))
    for head, outputs, ours, row in heads:
        yield TensorPlace(f"{net}.{head}.conv.weight", (outputs, width, 1, 1), f"{ours}weight", (row,))
        yield TensorPlace(f"{net}.{head}.conv.modulation", (1, width, 1, 1), f"{ours}modulation", (row,))
        yield TensorPlace(f"{net}.{head}.bias", (1, outputs, 1, 1), f"{ours}bias", (row,))
        yield TensorPlace(f"{net}.{head}.upsample.kernel", (4, 4), gain=UP)


def _renderer_places(config: Mapping[str, Any]) -> Iterator[TensorPlace]:
    outputs = side = 0
    for i, (side, outputs, inputs) in enumerate(_levels(config)):
        for number, width in ((2 * i, inputs), (2 * i + 1, outputs)):
            theirs, ours = f"render_net.convs.{number}", f"renderer.convs.{number}"
            yield TensorPlace(f"{theirs}.weight", (outputs, width, 3, 3), f"{ours}.weight")
            yield TensorPlace(f"{theirs}.modulation", (1, width, 1, 1), f"{ours}.modulation")
            yield TensorPlace(f"{theirs}.noise.weight", (1,), f"{ours}.noise_strength")
            yield TensorPlace(f"{theirs}.activate.bias", (outputs,), f"{ours}.bias")
            yield TensorPlace(f"render_net.noises.noise_{number}", (1, 1, side, side), f"{ours}.noise")
        yield TensorPlace(f"render_net.convs.{2 * i}.blur.kernel", (4, 4), gain=UP)
        for theirs, ours, channels in (("to_rgbs", "to_image", 3), ("to_segs", "to_segmentation", config["classes"])):
            yield TensorPlace(f"render_net.{theirs}.{i}.conv.weight", (channels, outputs, 1, 1), f"renderer.{ours}.{i}.weight")
            yield TensorPlace(f"render_net.{theirs}.{i}.conv.modulation", (1, outputs, 1, 1), f"renderer.{ours}.{i}.modulation")
            yield TensorPlace(f"render_net.{theirs}.{i}.bias", (1, channels, 1, 1), f"renderer.{ours}.{i}.bias")
            yield TensorPlace(f"render_net.{theirs}.{i}.upsample.kernel", (4, 4), gain=UP)


def _levels(config: Mapping[str, Any]) -> Iterator[tuple[int, int, int]]:
    """Side, width and input channels of each size that the renderer passes."""
    side, width = config["start_size"], config["coarse_channels"]
    while side < config["size"]:
        inputs = width + (config["coarse_channels"] if side == config["coarse_size"] else 0)
        side, width = 2 * side, config["channels"][2 * side]
        yield side, width, inputs


def discriminator_places(config: Mapping[str, Any]) -> Iterator[TensorPlace]:
    """Every tensor of a published discriminator.

    Args:
        config: the arguments of :class:`vera.generator.discriminator.Discriminator`.

    """
    channels, size = config["channels"], config["size"]
    for branch, ours, inputs in (("convs_img", "image", 3), ("convs_seg", "segmentation", config["classes"])):
        yield TensorPlace(f"{branch}.0.0.weight", (channels[size], inputs, 1, 1), f"{ours}.first.weight")
        yield TensorPlace(f"{branch}.0.1.bias", (channels[size],), f"{ours}.first.bias")
        side, number = size, 1
        while side > 4:
            yield from _block_places(f"{branch}.{number}", f"{ours}.blocks.{number - 1}", channels[side], channels[side // 2])
            side, number = side // 2, number + 1
    last = channels[4]
    yield TensorPlace("final_conv.0.weight", (last, last + 1, 3, 3), "final_conv.weight")
    yield TensorPlace("final_conv.1.bias", (last,), "final_conv.bias")
    yield TensorPlace("final_linear.0.weight", (last, 16 * last), "hidden.weight")
    yield TensorPlace("final_linear.0.bias", (last,), "hidden.bias")
    yield TensorPlace("final_linear.1.weight", (1, last), "logit.weight")
    yield TensorPlace("final_linear.1.bias", (1,), "logit.bias")


def _block_places(block: str, ours: str, inputs: int, outputs: int) -> Iterator[TensorPlace]:
    yield TensorPlace(f"{block}.conv1.0.weight", (inputs, inputs, 3, 3), f"{ours}.conv1.weight")
    yield TensorPlace(f"{block}.conv1.1.bias", (inputs,), f"{ours}.conv1.bias")
    yield TensorPlace(f"{block}.conv2.0.kernel", (4, 4), gain=DOWN)
    yield TensorPlace(f"{block}.conv2.1.weight", (outputs, inputs, 3, 3), f"{ours}.conv2.weight")
    yield TensorPlace(f"{block}.conv2.2.bias", (outputs,), f"{ours}.conv2.bias")
    yield TensorPlace(f"{block}.skip.0.kernel", (4, 4), gain=DOWN)
    yield TensorPlace(f"{block}.skip.1.weight", (outputs, inputs, 1, 1), f"{ours}.skip.weight")
