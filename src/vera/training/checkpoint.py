"""Checkpoints of training runs, read with care: tensors and plain values, nothing that can run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vera.types import VeraError
from vera.untrusted import field


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What ``vera train`` saved, on the CPU; the run's own state is under ``vera``.

    Raises:
        VeraError: there is no file, it is damaged, or another program wrote it.

    """
    try:
        saved: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged archive or pickle fails in many ways
        raise VeraError(f"'{path}' cannot be read as a checkpoint: name one that vera train wrote, whole") from error
    if not isinstance(saved, dict) or not isinstance(saved.get("vera"), dict):
        raise VeraError(f"'{path}' was not written by vera train: name one of its checkpoints")
    for name, kind in (("stage", str), ("images_seen", int), ("ema", dict), ("networks", dict)):
        field(saved["vera"], name, kind, what=f"'{path}'")
    return saved
