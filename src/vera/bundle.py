"""Bundles: a trained network on disk, the only hand-off between stages and to the user.

A bundle is a folder: ``weights.safetensors`` (bfloat16, or float32 where it must be exact), ``bundle.json`` (class, its
constructor's arguments, provenance, licence, digest) and ``MODEL_CARD.md``. One with identity groups may hold ``groups.json``, too
(:mod:`vera.anonymization.kinds`), which the digest does not cover: it states the digest.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from vera.files import new_folder, write_new
from vera.types import VeraError
from vera.untrusted import field, parse_json, read_json, read_tensors, require_finite, shown

Network = TypeVar("Network", bound=nn.Module)

WEIGHTS, RECORD, CARD = "weights.safetensors", "bundle.json", "MODEL_CARD.md"
FORMAT = 1
LOADABLE: dict[str, str] = {
    "Generator": "vera.generator.network.Generator",
    "ControlledGenerator": "vera.attributes.control.ControlledGenerator",
    "Autoencoder": "vera.inversion.autoencoder.Autoencoder",
    "ExemplarBank": "vera.exemplars.bank.ExemplarBank",
    "Segmenter": "vera.faces.segmenter.Segmenter",
    "Discriminator": "vera.generator.discriminator.Discriminator",
    "ProjectedDiscriminator": "vera.generator.projected.ProjectedDiscriminator",
}
"""Classes that a bundle or a checkpoint may name, by the module that defines them. A new class of network needs a line here."""
ALIASES: dict[str, str] = {}
"""Present names in :data:`LOADABLE` by the class paths of older versions, so that bundles keep their records and digests."""
LARGEST = 1 << 16
"""DECISION: no whole number in a network's configuration is larger (sides, channels, layers, identities of a bank), but for those
that count bytes of a tensor: tensors are compared with the file's."""
TABLES = 1 << 26
"""DECISION: most numbers that a network computes for itself and does not store (position encodings, filters)."""
CLASS_KEYS = ("_target_", "class")
"""Keys of a configuration under which a class is named."""


@dataclass(frozen=True)
class BundleInfo:
    """Record of a loaded bundle: folder, digest, licence and provenance.

    Attributes:
        path: folder of the bundle.
        digest: SHA-256 over weights and record.
        licence: licence of the weights.
        provenance: origin of the weights (data, images seen, versions), as recorded by the training run.

    """

    path: Path
    digest: str
    licence: str
    provenance: dict[str, Any]


def default_bundle() -> Path:
    """Path of the shipped generator bundle (an autoencoder with a bank of identities)."""
    return Path(__file__).parent / "assets" / "default"


def exemplar_bundle() -> Path:
    """Path of the shipped bank of exemplars, with which ``vera anonymize`` renders by default."""
    return Path(__file__).parent / "assets" / "exemplars"


def controlled_bundle() -> Path:
    """Path of the shipped generator with attribute controls: the default bundle's generator after stage 2."""
    return Path(__file__).parent / "assets" / "controlled"


def save(
    path: str | Path,
    network: nn.Module,
    *,
    provenance: Mapping[str, Any],
    licence: str,
    card: str,
    dtype: torch.dtype = torch.bfloat16,
) -> BundleInfo:
    """Write a bundle, whole or not at all.

    Args:
        path: the folder to make; it must not exist.
        network: network of a class in :data:`LOADABLE`, with a ``config`` dictionary: its constructor's keyword arguments.
        provenance: origin of the weights.
        licence: licence of the weights, as the model card states it.
        card: the model card, Markdown.
        dtype: type of the weights on disk: bfloat16 is half as large and good enough to look at; float32 keeps converted
            weights exact.

    Raises:
        VeraError: when the folder exists or cannot be made, or no bundle can hold such a network.

    """
    path, name = Path(path), f"{type(network).__module__}.{type(network).__qualname__}"
    if name not in LOADABLE.values():
        raise VeraError(f"a bundle holds one of {', '.join(LOADABLE)}, not a '{name}': add it to vera.bundle.LOADABLE")
    if path.exists():
        raise VeraError(f"'{path}' exists: a bundle is never overwritten; choose another folder or remove it")
    described = {
        "format": FORMAT,
        "class": name,
        "config": network.config,
        "licence": licence,
        "provenance": dict(provenance),
        "dtype": str(dtype).removeprefix("torch."),
    }
    # As it will be read: keys are texts there, and what could not be read again is not written.
    record: dict[str, Any] = parse_json(json.dumps(described).encode(), what=f"the record of the bundle '{path}'")
    tensors = {name: _stored(tensor, dtype).contiguous() for name, tensor in network.state_dict().items()}
    try:
        with new_folder(path) as folder:
            save_file(tensors, folder / WEIGHTS)
            record["digest"] = _digest(folder / WEIGHTS, record)
            write_new(folder / RECORD, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode())
            write_new(folder / CARD, card.encode())
    except (OSError, SafetensorError) as error:
        raise VeraError(f"cannot write a bundle at '{path}': {getattr(error, 'strerror', None) or error}") from error
    return BundleInfo(path, str(record["digest"]), licence, dict(provenance))


def read(path: str | Path) -> dict[str, Any]:
    """Read a bundle's record and check its digest.

    Raises:
        VeraError: for a folder that is missing, incomplete, truncated or altered, or a record with fields of other types.

    """
    path = Path(path)
    for name in (RECORD, WEIGHTS):
        if not os.path.isfile(path / name):  # False, too, where the folder may not be read
            raise VeraError(f"no bundle at '{path}': {name} is missing; a bundle is a folder with {RECORD} and {WEIGHTS}")
    what = f"bundle '{path}': {RECORD}"
    record: dict[str, Any] = read_json(path / RECORD, what=what)
    if (found := field(record, "format", int, what=what)) != FORMAT:
        raise VeraError(f"bundle '{path}' has format {found}; this version reads format {FORMAT}")
    for name, kind in (("class", str), ("config", dict), ("licence", str), ("provenance", dict), ("digest", str)):
        field(record, name, kind, what=what)
    if "dtype" in record:
        field(record, "dtype", str, what=what)
    try:
        intact = _digest(path / WEIGHTS, record) == record["digest"]
    except OSError as error:
        raise VeraError(f"bundle '{path}' cannot be read: {error.strerror}") from error
    if not intact:
        raise VeraError(f"bundle '{path}' is truncated or altered: its digest does not match; fetch the bundle again")
    return record


@overload
def load(path: str | Path | None = None, *, device: str = "cpu") -> nn.Module: ...
@overload
def load(path: str | Path | None = None, *, device: str = "cpu", kind: type[Network]) -> Network: ...
def load(path: str | Path | None = None, *, device: str = "cpu", kind: type[nn.Module] = nn.Module) -> nn.Module:
    """Load the network of a bundle, rebuilt from the bundle's own configuration.

    Args:
        path: folder of the bundle; None for the shipped generator's, which ``vera sample`` draws from by default.
        device: device that the network is moved to.
        kind: class that the network must have, such as :class:`vera.generator.network.Generator`; type checkers know the result by it.

    Returns:
        The network in eval mode, float32, frozen, with its :class:`BundleInfo` as ``network.info``.

    Raises:
        VeraError: see :func:`read`; also for a class that is not VerA's or of another kind, for tensors that do not fit it, and for a
            device that torch cannot use.

    Examples:
        >>> import vera
        >>> from vera.bundle import controlled_bundle
        >>> generator = vera.load(controlled_bundle())
        >>> generator.training, generator.info.licence
        (False, 'CC-BY-4.0')

    """
    path = default_bundle() if path is None else Path(path)
    record = read(path)
    stored = read_tensors(path / WEIGHTS, what=f"bundle '{path}': {WEIGHTS}").tensors
    tensors = {key: value.float() if value.is_floating_point() else value for key, value in stored.items()}
    network: Any = rebuild(record, tensors, source=f"bundle '{path}'")
    network.info = BundleInfo(path, str(record["digest"]), str(record["licence"]), dict(record["provenance"]))
    if not isinstance(network, kind):
        raise VeraError(f"'{path}' is a bundle of {type(network).__name__}, not of {kind.__name__}: name another")
    try:
        frozen: nn.Module = network.eval().requires_grad_(False).to(device)
    except (RuntimeError, AssertionError) as error:  # no such device, a build of torch without it, too little memory
        why = str(error).partition("\n")[0]
        raise VeraError(f"device='{device}' cannot be used ({why}): take device='cpu', or see `vera doctor`") from error
    return frozen


def rebuild(described: Any, tensors: Any, *, source: str) -> nn.Module:
    """Build a network from the class, configuration and tensors that a file states; only listed classes are built.

    The network is first built without memory (on torch's ``meta`` device) and compared with the tensors, so that a configuration
    cannot ask for more memory than the file holds.

    Args:
        described: ``class`` (one of :data:`LOADABLE`, or an older path of it) and ``config`` (its constructor's keyword arguments).
        tensors: all of its state, by name.
        source: the file, for messages.

    Raises:
        VeraError: for any other class, a configuration that is not plain, and tensors that do not fit or are not finite.

    """
    kind = loadable(field(described, "class", str, what=source), source=source)
    config = _plain(field(described, "config", dict, what=source), source=source)
    if not isinstance(tensors, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise VeraError(f"{source} holds no network's weights: name one that VerA wrote")
    require_finite(tensors, what=source)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.device("meta"):
            warnings.simplefilter("ignore")  # pretrained weights are not copied to where there is no memory
            blank = kind(**config)
        _require_fit(blank, tensors)
        network: nn.Module = kind(**config)
        network.load_state_dict(dict(tensors), strict=True)
    except VeraError:
        raise
    except Exception as error:  # a constructor says in many ways that it cannot take a foreign configuration
        raise VeraError(f"{source} does not fit this version of VerA: {shown(str(error).partition(chr(10))[0])}") from error
    return network


def loadable(name: str, *, source: str) -> type[nn.Module]:
    """Look up a class by name in the list of classes that files may name.

    Args:
        name: its path, as :func:`save` writes it, or one of :data:`ALIASES`.
        source: the file, for messages.

    Raises:
        VeraError: it is not on the list; nothing was imported.

    """
    path = LOADABLE[ALIASES[name]] if name in ALIASES else name
    if path not in LOADABLE.values():
        raise VeraError(f"{source} names the class '{shown(name)}': only {', '.join(LOADABLE)} of the package vera are loaded")
    module, _, last = path.rpartition(".")
    found: type[nn.Module] = getattr(importlib.import_module(module), last)
    return found


def _plain(config: Any, *, source: str) -> dict[str, Any]:
    """A configuration as JSON has it, that names no class beside those on the list, nor numbers beyond any network.

    Raises:
        VeraError: it is not so.

    """
    what = f"{source}: the network's configuration"
    try:
        content = json.dumps(config).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise VeraError(f"{what} has other than texts, numbers, lists and mappings: it was not written by VerA") from error
    plain: dict[str, Any] = parse_json(content, what=what)
    for key, value in _leaves(plain):
        if key in CLASS_KEYS:
            loadable(str(value), source=source)
        if isinstance(value, int) and abs(value) > LARGEST and not key.endswith("_bytes"):
            raise VeraError(f"{what} asks for {key} = {value}, and no network of VerA has more than {LARGEST}")
    return plain


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All texts and numbers of nested lists and mappings, with the last key that leads to them."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, key)
    else:
        yield key, value


def _require_fit(network: nn.Module, found: Mapping[str, torch.Tensor]) -> None:
    """Raise a ValueError unless the tensors have a network's names and shapes, and fractions where it has them."""
    wanted = network.state_dict()
    for name in sorted({*wanted, *found}):
        if name not in found or name not in wanted:
            raise ValueError(f"the tensor '{name}' is {'missing' if name in wanted else 'not of this network'}")
        if wanted[name].shape != found[name].shape:
            raise ValueError(f"the tensor '{name}' is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}")
        if wanted[name].is_floating_point() != found[name].is_floating_point():
            raise ValueError(f"the tensor '{name}' is {found[name].dtype}, not {wanted[name].dtype}")
    if sum(buffer.numel() for buffer in network.buffers()) > TABLES + sum(tensor.numel() for tensor in found.values()):
        raise ValueError(f"it computes tables of more than {TABLES:,} numbers")


def _stored(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.detach().cpu().to(dtype) if tensor.is_floating_point() else tensor.detach().cpu()


def _digest(weights: Path, record: Mapping[str, Any]) -> str:
    described = {key: record[key] for key in ("format", "class", "config", "licence", "provenance")}
    if "dtype" in record:  # the first bundles were all bfloat16 and did not say so
        described["dtype"] = record["dtype"]
    total = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    with weights.open("rb") as stream:
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()
