"""Bundles: a trained network on disk, the only hand-off between stages and to the user.

A bundle is a folder: ``weights.safetensors`` (bfloat16, or float32 where it must be exact), ``bundle.json`` (class, its
constructor's arguments, provenance, licence, digest) and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from vera.types import VeraError

WEIGHTS, RECORD, CARD = "weights.safetensors", "bundle.json", "MODEL_CARD.md"
FORMAT = 1


@dataclass(frozen=True)
class BundleInfo:
    """What is known of a loaded bundle.

    Attributes:
        path: its folder.
        digest: SHA-256 over weights and record.
        licence: of the weights.
        provenance: how they were made (data, images seen, versions), as recorded by the training run.

    """

    path: Path
    digest: str
    licence: str
    provenance: dict[str, Any]


def default_bundle() -> Path:
    """Folder of the bundle that ships with the package."""
    return Path(__file__).parent / "assets" / "default"


def exemplar_bundle() -> Path:
    """Folder of the bank of exemplars that ships with the package: what ``vera anonymize`` renders with by default."""
    return Path(__file__).parent / "assets" / "exemplars"


def controlled_bundle() -> Path:
    """Folder of the shipped generator with controls: the default bundle's, after stage 2."""
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
        network: a network of a ``vera`` class with a ``config`` dictionary: its constructor's keyword arguments.
        provenance: how the weights were made.
        licence: of the weights.
        card: the model card, Markdown.
        dtype: of the weights on disk: bfloat16 is half as large and good enough to look at; float32 keeps converted weights exact.

    Raises:
        VeraError: when the folder exists or cannot be made.

    """
    path = Path(path)
    if path.exists():
        raise VeraError(f"'{path}' exists: a bundle is never overwritten; choose another folder or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    except OSError as error:
        raise VeraError(f"cannot write a bundle at '{path}': {error.strerror}") from error
    try:
        tensors = {name: _stored(tensor, dtype).contiguous() for name, tensor in network.state_dict().items()}
        save_file(tensors, partial / WEIGHTS)
        record: dict[str, Any] = {
            "format": FORMAT,
            "class": f"{type(network).__module__}.{type(network).__qualname__}",
            "config": json.loads(json.dumps(network.config)),  # as it will be read: keys are strings there
            "licence": licence,
            "provenance": dict(provenance),
            "dtype": str(dtype).removeprefix("torch."),
        }
        record["digest"] = _digest(partial / WEIGHTS, record)
        (partial / RECORD).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        (partial / CARD).write_text(card)
        partial.chmod(0o755)
        for file in partial.iterdir():
            file.chmod(0o644)
        os.replace(partial, path)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise VeraError(f"cannot write a bundle at '{path}': {error}") from error
        raise
    return BundleInfo(path, str(record["digest"]), licence, dict(provenance))


def read(path: str | Path) -> dict[str, Any]:
    """A bundle's record, its digest checked.

    Raises:
        VeraError: for a folder that is missing, incomplete, truncated or altered.

    """
    path = Path(path)
    for name in (RECORD, WEIGHTS):
        if not os.path.isfile(path / name):  # False, too, where the folder may not be read
            raise VeraError(f"no bundle at '{path}': {name} is missing; a bundle is a folder with {RECORD} and {WEIGHTS}")
    try:
        record: dict[str, Any] = json.loads((path / RECORD).read_text())
        if record["format"] != FORMAT:
            raise VeraError(f"bundle '{path}' has format {record['format']}; this version reads format {FORMAT}")
        intact = _digest(path / WEIGHTS, record) == record["digest"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise VeraError(f"bundle '{path}': {RECORD} is damaged; fetch the bundle again") from error
    except OSError as error:
        raise VeraError(f"bundle '{path}' cannot be read: {error.strerror}") from error
    if not intact:
        raise VeraError(f"bundle '{path}' is truncated or altered: its digest does not match; fetch the bundle again")
    return record


def load(path: str | Path, *, device: str = "cpu") -> nn.Module:
    """Rebuild a network from a bundle's own configuration.

    Args:
        path: the bundle's folder.
        device: where the network goes.

    Returns:
        The network in eval mode, float32, frozen, with its :class:`BundleInfo` as ``network.info``.

    Raises:
        VeraError: see :func:`read`; also for a class that is not VerA's and for tensors that do not fit it.

    """
    path = Path(path)
    record = read(path)
    try:
        tensors = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path / WEIGHTS).items()}
    except SafetensorError as error:
        raise VeraError(f"bundle '{path}' is damaged: {error}") from error
    network: Any = rebuild(record, tensors, source=f"bundle '{path}'")
    network.info = BundleInfo(path, str(record["digest"]), str(record["licence"]), dict(record["provenance"]))
    frozen: nn.Module = network.eval().requires_grad_(False).to(device)
    return frozen


def rebuild(described: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], *, source: str) -> nn.Module:
    """A network from what a file says of it: the one place where a name in a file becomes code that runs.

    Args:
        described: ``class`` (of the package vera) and ``config`` (its constructor's keyword arguments).
        tensors: all of its state.
        source: the file, for messages.

    Raises:
        VeraError: for a class that is not a network of VerA, and for tensors that do not fit it.

    """
    module, _, name = str(described["class"]).rpartition(".")
    if not module.startswith("vera."):
        raise VeraError(f"{source} names the class '{described['class']}': only classes of the package vera are loaded")
    try:
        kind = getattr(importlib.import_module(module), name)
        # A name that a module merely imports (a function of a library, say) is not VerA's.
        if not (isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == module):
            raise VeraError(f"{source} names '{described['class']}', which is no network of VerA: nothing was loaded")
        network: nn.Module = kind(**described["config"])
        network.load_state_dict(dict(tensors), strict=True)
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise VeraError(f"{source} does not fit this version of VerA: {str(error).splitlines()[0]}") from error
    return network


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
