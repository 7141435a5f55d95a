"""Export of a stage 1 run: the averaged generator, and the discriminator for training that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vera import bundle
from vera.untrusted import field

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
    network = bundle.rebuild(field(state["networks"], "generator", dict, what=SOURCE), state["ema"], source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": "generator pretraining"}, **stated)


def export_discriminator(checkpoint: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the discriminator, a training bundle.

    Args:
        checkpoint: the whole of it.
        out: the bundle to make.
        provenance: see :func:`export_generator`.
        **stated: likewise.

    """
    own = field(checkpoint, "state_dict", dict, what=SOURCE)
    tensors = {str(name).removeprefix(PREFIX): tensor for name, tensor in own.items() if str(name).startswith(PREFIX)}
    described = field(checkpoint["vera"]["networks"], "discriminator", dict, what=SOURCE)
    network = bundle.rebuild(described, tensors, source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": "generator pretraining, discriminator"}, **stated)
