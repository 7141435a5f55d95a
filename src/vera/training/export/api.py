"""Export a training run as a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vera import bundle
from vera.bundle import BundleInfo
from vera.moved import STORED
from vera.training.export.autoencoder import BankSettings, export_autoencoder
from vera.training.export.contrastive import export_contrastive
from vera.training.runs.record import read_checkpoint
from vera.training.runs.stored import read_config
from vera.types import VeraError
from vera.untrusted import field, shown

SOURCE = "the checkpoint"
PREFIX = f"{STORED}discriminator."


@dataclass(frozen=True)
class Statement:
    """Statement about the weights by the person who exports them.

    Attributes:
        licence: licence of the weights.
        card: the model card, Markdown.
        data: description of the training data.

    """

    licence: str
    card: str
    data: str


def export(
    run: Path, out: Path, *, checkpoint: str, statement: Statement, bank: BankSettings, discriminator: Path | None, exact: bool
) -> list[BundleInfo]:
    """Export the averaged network of a run of any stage as a bundle.

    Args:
        run: the run's folder (``config.yaml`` and the checkpoint).
        out: the bundle to make.
        checkpoint: name of the run's checkpoint: ``last.ckpt``, or one of ``top/``.
        statement: goes into the bundle.
        bank: the identities of an autoencoder; a generator draws its own.
        discriminator: a bundle to make of the discriminator of a generator's run, for training that goes on; None for none.
        exact: whether weights stay float32 instead of bfloat16.

    Returns:
        What was written, the averaged network first.

    Raises:
        VeraError: when the run has no checkpoint or configuration, a bundle exists, there are too few faces for the bank, or an
            option belongs to another stage.

    """
    for file in (run / "config.yaml", run / checkpoint):
        if not file.is_file():
            raise VeraError(f"'{run}' is no training run: {file.name} is missing")
    for path in filter(None, (out, discriminator)):
        if path.exists():
            raise VeraError(f"'{path}' exists: a bundle is never overwritten; choose another folder or remove it")
    saved = read_checkpoint(run / checkpoint)
    state = saved["vera"]
    config = read_config(run / "config.yaml")
    stated: dict[str, Any] = {"licence": statement.licence, "card": statement.card, "dtype": torch.float32 if exact else torch.bfloat16}
    provenance: dict[str, Any] = {
        "data": statement.data,
        "images_seen": state["images_seen"],
        "versions": {"torch": torch.__version__, "pytorch-lightning": version("pytorch-lightning"), "vera": version("vera-anonymization")},
    }
    stage = state["stage"]
    if stage in ("generator", "contrastive"):
        if bank.pattern is not None or bank.truncation is not None or bank.apart is not None or bank.axes:
            raise VeraError("--pattern, --truncation, --min-distance and --axes are for a bank; a generator draws its own: leave them out")
        if stage == "contrastive":
            written = [export_contrastive(config, state, out, provenance=provenance, **stated)]
        else:
            written = [export_generator(state, out, provenance=provenance, **stated)]
        if discriminator is not None:
            written.append(export_discriminator(saved, discriminator, provenance=provenance, **{**stated, "dtype": torch.float32}))
        return written
    if discriminator is not None:
        raise VeraError("--discriminator: only a generator's run (stage 1) exports one; leave it out")
    if stage == "parsing":
        if bank.pattern is not None:
            raise VeraError("--pattern chooses faces for a bank of identities; a parser has none: leave it out")
        return [export_parsing(state, out, provenance=provenance, **stated)]
    if stage not in ("autoencoder", "inversion"):
        raise VeraError(
            f"the checkpoint is of the stage '{shown(stage)}', which this version of VerA does not know: export it with its own"
        )
    return [export_autoencoder(config, state, out, bank=bank, provenance=provenance, **stated)]


def export_generator(state: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the averaged generator; its mean code, for truncation, is a function of the weights and not stored.

    Args:
        state: ``vera`` of the run's checkpoint.
        out: the bundle to make.
        provenance: origin of the weights beside the stage.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    """
    return _export_averaged("generator", "generator pretraining", state, out, provenance=provenance, **stated)


def export_discriminator(checkpoint: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the discriminator, a training bundle.

    Args:
        checkpoint: the whole of it.
        out: the bundle to make.
        provenance: origin of the weights beside the stage, see :func:`export_generator`.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    """
    own = field(checkpoint, "state_dict", dict, what=SOURCE)
    tensors = {str(name).removeprefix(PREFIX): tensor for name, tensor in own.items() if str(name).startswith(PREFIX)}
    described = field(checkpoint["vera"]["networks"], "discriminator", dict, what=SOURCE)
    network = bundle.rebuild(described, tensors, source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": "generator pretraining, discriminator"}, **stated)


def export_parsing(state: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the averaged segmenter; the bundle needs no other weights.

    Args:
        state: ``vera`` of the run's checkpoint.
        out: the bundle to make.
        provenance: origin of the weights beside the stage.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    """
    return _export_averaged("segmenter", "parsing", state, out, provenance=provenance, **stated)


def _export_averaged(
    name: str, stage: str, state: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any
) -> bundle.BundleInfo:
    """Write the averaged network that the checkpoint describes under this name."""
    network = bundle.rebuild(field(state["networks"], name, dict, what=SOURCE), state["ema"], source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": stage}, **stated)
