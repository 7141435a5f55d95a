"""Export of a parser's run: the averaged network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vera import bundle
from vera.untrusted import field

SOURCE = "the checkpoint"


def export_parsing(state: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any) -> bundle.BundleInfo:
    """Write the averaged segmenter; the bundle needs no other weights.

    Args:
        state: ``vera`` of the run's checkpoint.
        out: the bundle to make.
        provenance: what is known of the weights beside the stage.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    """
    network = bundle.rebuild(field(state["networks"], "segmenter", dict, what=SOURCE), state["ema"], source=SOURCE)
    return bundle.save(out, network, provenance={**provenance, "stage": "parsing"}, **stated)
