"""Provenance of an evaluation: code, libraries, machine and configuration of a session."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

DISTRIBUTION = "vera-anonymization"


def provenance(config: Mapping[str, Any], *, device: str) -> dict[str, Any]:
    """The record of one session, plain values.

    Args:
        config: resolved configuration of the session.
        device: device that networks run on, such as ``cpu`` or ``cuda``.

    """
    return {
        "vera": metadata.version(DISTRIBUTION),
        "git": git_state(Path(__file__).parent),
        "versions": versions(),
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "device": device_name(device)},
        "threads": torch.get_num_threads(),
        "command": sys.argv,
        "config": dict(config),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of a checkout, and whether its tracked files differ from it; None outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Versions of the packages that VerA requires; ``absent`` where one is not installed."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from a source tree
        required = ["numpy", "torch", "torchvision", "torchmetrics", "opencv-python", "pillow", "dlib-bin"]
    names = sorted({re.split(r"[^\w.-]", entry)[0] for entry in required if "extra ==" not in entry})
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def device_name(device: str) -> str:
    """Human-readable name of a device, such as a GPU's model."""
    return torch.cuda.get_device_name(torch.device(device)) if device.startswith("cuda") else device
