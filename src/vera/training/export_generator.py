"""Export of a stage 1 run: the averaged generator, and the discriminator for training that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vera import bundle

PREFIX = "game.discriminator."
SOURCE = "the checkpoint"


def export_generator(state: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the averaged generator; its mean code, for truncation, is a function of the weights and not stored.

    Args:
        state: ``vera`` of the run's checkpoint.
        out: the bundle to make.
        provenance: what is known of the weights beside the stage.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    """
    network = bundle.rebuild(state["networks"]["generator"], state["ema"], source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": "generator pretraining"}, **stated)


def export_discriminator(checkpoint: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the discriminator, a training bundle.

    Args:
        checkpoint: the whole of it.
        out: the bundle to make.
        provenance: see :func:`export_generator`.
        **stated: likewise.

    """
    tensors = {name.removeprefix(PREFIX): t for name, t in checkpoint["state_dict"].items() if name.startswith(PREFIX)}
    network = bundle.rebuild(checkpoint["vera"]["networks"]["discriminator"], tensors, source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": "generator pretraining, discriminator"}, **stated)
