"""The published SemanticStyleGAN's checkpoints: read safely, checked, and turned into our networks (Shi et al., CVPR 2022).

What the tensors' shapes tell is taken from them and compared with the checkpoint's arguments; what they cannot tell (how the
local layers are divided, which classes are transparent) must be among the arguments. Nothing is guessed.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vera.generator.discriminator import Discriminator
from vera.generator.network import Generator
from vera.generator.published_names import TensorPlace, discriminator_places, generator_places
from vera.types import NUM_CLASSES, VeraError
from vera.untrusted import damaged_part

NETWORKS = ("g_ema", "g", "d")
"""What a checkpoint may hold: the averaged generator, the one in training, and its discriminator."""
GROUP = 4
"""Members of a group of the published minibatch standard deviation."""


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint, read but not yet understood.

    Attributes:
        path: file of the checkpoint.
        digest: SHA-256 of the file.
        args: the arguments it was trained with, by name.
        networks: state dictionaries of those of :data:`NETWORKS` that it holds.

    """

    path: Path
    digest: str
    args: dict[str, Any]
    networks: dict[str, dict[str, Tensor]]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of the published code; tensors, plain values and the argument namespace are all that is ever unpickled.

    Raises:
        VeraError: for a file that cannot be read, is no checkpoint, or holds anything else.

    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise VeraError(f"checkpoint '{path}' cannot be read: {error.strerror}") from error
    if damaged := damaged_part(path):
        raise VeraError(f"checkpoint '{path}' is damaged: the checksum of '{damaged}' in it is wrong; fetch it again")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # torch's remarks on old pickles
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever bytes can make an unpickler raise
        foreign = re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+)", str(error))
        if foreign:
            raise VeraError(f"checkpoint '{path}' names '{foreign[1]}', which a checkpoint has no need of: nothing was loaded") from error
        raise VeraError(f"'{path}' is no checkpoint that torch can read, or is truncated: fetch it again") from error
    args = content.get("args") if isinstance(content, dict) else None
    if not isinstance(args, argparse.Namespace) or not isinstance(content.get("g_ema"), dict):
        raise VeraError(f"'{path}' is no checkpoint of SemanticStyleGAN: it must hold 'g_ema' and 'args'")
    networks = {name: dict(content[name]) for name in NETWORKS if isinstance(content.get(name), dict)}
    return Checkpoint(path, digest, dict(vars(args)), networks)


def load_generator(checkpoint: Checkpoint, network: str = "g_ema") -> Generator:
    """A published generator as ours, without attributes.

    Args:
        checkpoint: a checkpoint from :func:`read_checkpoint`.
        network: ``g_ema``, the averaged generator (the default), or ``g``, the one in training.

    Raises:
        VeraError: for missing, unknown or misshaped tensors, arguments that contradict them, and variants that VerA lacks.

    """
    tensors = _Tensors(checkpoint, network)
    config = _generator_config(tensors, checkpoint.args)
    try:
        generator = Generator(**config)
    except ValueError as error:
        raise VeraError(f"{tensors.source}: VerA's generator has no such variant: {error}") from error
    _fill(generator, generator_places(config), tensors)
    return generator


def load_discriminator(checkpoint: Checkpoint) -> Discriminator:
    """A published discriminator as ours.

    Raises:
        VeraError: see :func:`load_generator`; also for a checkpoint without one.

    """
    tensors = _Tensors(checkpoint, "d")
    blocks = tensors.count(r"convs_img\.(\d+)\.conv1\.")
    size = 4 * 2**blocks
    channels = {size: tensors.size("convs_img.0.0.weight", 0)}
    channels |= {size // 2**n: tensors.size(f"convs_img.{n}.conv2.1.weight", 0) for n in range(1, blocks + 1)}
    config = {"size": size, "classes": tensors.size("convs_seg.0.0.weight", 1), "channels": channels, "group": GROUP}
    _agree(tensors.source, checkpoint.args, {"size": size, "seg_dim": config["classes"]})
    discriminator = Discriminator(**config)
    _fill(discriminator, discriminator_places(config), tensors)
    return discriminator


class _Tensors:
    """The published tensors of one network, with error messages that name them."""

    def __init__(self, checkpoint: Checkpoint, network: str) -> None:
        self.source = f"checkpoint '{checkpoint.path}', '{network}'"
        if network not in checkpoint.networks:
            raise VeraError(f"checkpoint '{checkpoint.path}' holds no '{network}', only {', '.join(checkpoint.networks)}")
        self.named: dict[str, Tensor] = {}
        odd: list[str] = []
        for name, value in checkpoint.networks[network].items():
            plain = isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point() and value.layout is torch.strided
            if plain and value.float().isfinite().all():
                self.named[name] = value.float()
            else:
                odd.append(str(name))
        if odd:
            raise VeraError(f"{self.source}: {_some(odd)} must be tensors of finite numbers; fetch the checkpoint again")

    def size(self, name: str, axis: int) -> int:
        """One dimension of a tensor."""
        if name not in self.named or self.named[name].dim() <= axis or not self.named[name].shape[axis]:
            raise VeraError(f"{self.source}: '{name}' is missing or misshaped: this is no SemanticStyleGAN of the published form")
        return int(self.named[name].shape[axis])

    def count(self, pattern: str) -> int:
        """Count the indices in use: values of the pattern's group, in names that begin with the pattern."""
        return len({found[1] for name in self.named if (found := re.match(pattern, name))})


def _generator_config(tensors: _Tensors, args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of our generator."""
    levels = tensors.count(r"render_net\.noises\.noise_(\d+)$") // 2
    start, coarse_channels = tensors.size("render_net.noises.noise_0", 2) // 2, tensors.size("local_nets.0.to_feat.conv.weight", 0)
    inputs = [tensors.size(f"render_net.convs.{2 * i}.weight", 1) for i in range(levels)]
    outputs = [tensors.size(f"render_net.convs.{2 * i}.weight", 0) for i in range(levels)]
    # The coarse map is joined where there is more to read than the convolution before has written.
    joined = [start * 2**i for i in range(levels) if inputs[i] != ([coarse_channels, *outputs][i])]
    shown = {
        "size": start * 2**levels,
        "seg_dim": tensors.count(r"local_nets\.(\d+)\."),
        "latent": tensors.size("local_nets.0.linears.0.conv.modulation.weight", 1),
        "n_mlp": tensors.count(r"style\.(\d+)\."),
        "local_layers": tensors.count(r"local_nets\.0\.linears\.(\d+)\."),
        "local_channel": tensors.size("local_nets.0.to_feat.conv.weight", 1),
        "coarse_channel": coarse_channels,
        "coarse_size": joined[0] if joined else start * 2**levels,
        "min_feat_size": start,
    }
    multiplier = {"channel_multiplier": outputs[-1] * shown["size"] // (64 * 256)} if shown["size"] >= 64 else {}
    _agree(tensors.source, args, {**shown, **multiplier})
    if shown["size"].bit_count() != 1:
        raise VeraError(f"{tensors.source}: its size is {shown['size']}, and VerA's generator has powers of two only")
    if shown["seg_dim"] != NUM_CLASSES:
        raise VeraError(f"{tensors.source}: seg_dim is {shown['seg_dim']}, VerA's segmentations have {NUM_CLASSES} classes")
    if _told(tensors.source, args, "residual_refine") is not True:
        raise VeraError(f"{tensors.source}: residual_refine is off, and VerA's generator always refines the coarse segmentation")
    return {
        "size": shown["size"],
        "coarse_size": shown["coarse_size"],
        "start_size": start,
        "classes": NUM_CLASSES,
        "transparent": _transparent(tensors.source, args),
        "latent": shown["latent"],
        "local_channels": shown["local_channel"],
        "coarse_channels": coarse_channels,
        "layers": _layers(tensors.source, args, shown["local_layers"]),
        "channels": {start * 2 ** (i + 1): width for i, width in enumerate(outputs)},
        "attributes": {},
        "mapping_layers": shown["n_mlp"],
        **({"detach_texture": True} if args.get("detach_texture") else {}),  # older versions of the published code had no such argument
    }


def _agree(source: str, args: Mapping[str, Any], shown: Mapping[str, int]) -> None:
    wrong = [f"{name} is {args[name]}, its tensors say {value}" for name, value in shown.items() if args.get(name, value) != value]
    if wrong:
        raise VeraError(f"{source}: arguments and tensors contradict each other: {_some(wrong)}")


def _told(source: str, args: Mapping[str, Any], name: str) -> Any:
    if name not in args:
        raise VeraError(f"{source}: the arguments say nothing of '{name}', which tensors cannot tell: add it to 'args'")
    return args[name]


def _layers(source: str, args: Mapping[str, Any], total: int) -> list[int]:
    """Numbers of base, shape and texture layers; the published ``depth_layers`` counts base and shape layers together."""
    base, depth = _told(source, args, "base_layers"), _told(source, args, "depth_layers")
    if base != 2 or not isinstance(depth, int) or not base <= depth <= total:
        raise VeraError(
            f"{source}: base_layers {base} and depth_layers {depth}: VerA has two base codes, and {total} local layers must hold "
            "base_layers ≤ depth_layers"
        )
    return [base, depth - base, total - depth]


def _transparent(source: str, args: Mapping[str, Any]) -> list[int]:
    told = _told(source, args, "transparent_dims")
    classes = [] if told is None else told
    if not isinstance(classes, Sequence) or any(type(k) is not int or not 0 <= k < NUM_CLASSES for k in classes):
        raise VeraError(f"{source}: transparent_dims is {told}: it must list classes from 0 to {NUM_CLASSES - 1}")
    return sorted(set(classes))


def _fill(network: nn.Module, places: Iterable[TensorPlace], tensors: _Tensors) -> None:
    """Copy every published tensor to its place; nothing may be left over on either side."""
    wanted = {place.name: place for place in places}
    missing = [name for name in wanted if name not in tensors.named]
    unknown = [name for name in tensors.named if name not in wanted]
    misshaped = [
        f"{name} {tuple(tensors.named[name].shape)} instead of {place.shape}"
        for name, place in wanted.items()
        if name in tensors.named and tensors.named[name].shape != place.shape
    ]
    faults = [f"{len(n)} {kind} ({_some(n)})" for kind, n in (("missing", missing), ("unknown", unknown), ("misshaped", misshaped)) if n]
    if faults:
        raise VeraError(f"{tensors.source}: its tensors are not those of the published network: {', '.join(faults)}")
    state = network.state_dict()
    for name, place in wanted.items():
        if place.ours:
            target = state[place.ours][place.at]
            target.copy_(tensors.named[name].reshape(target.shape))
        else:
            _check_kernel(tensors, name, place.gain)


def _check_kernel(tensors: _Tensors, name: str, gain: float) -> None:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float32) / 8
    if not torch.allclose(tensors.named[name], gain * torch.outer(taps, taps), rtol=0, atol=1e-6):
        raise VeraError(f"{tensors.source}: '{name}' is not the filter [1, 3, 3, 1], the only one that VerA has")


def _some(words: Sequence[str], most: int = 3) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
