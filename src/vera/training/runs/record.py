"""Records of a run beside its progress: measures, environment, lock, and safe reading of checkpoints."""

from __future__ import annotations

import fcntl
import json
import math
import os
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers.logger import Logger

from vera.files import write_into_run
from vera.provenance import git_state, versions
from vera.types import VeraError
from vera.untrusted import damaged_part, field, read_json

ENVIRONMENT, LOCK = "environment.json", ".lock"
STARTS = 16 << 20
"""DECISION: bytes of the list of a run's starts, of some kilobytes each."""


class Measures(Logger):
    """Logger that keeps the last value of each measure, beside the configured logger.

    Args:
        known: measures of the run's earlier starts.

    """

    def __init__(self, known: Mapping[str, float | None]) -> None:
        super().__init__()
        self.last = dict(known)

    @property
    def name(self) -> None:
        """No name: this logger has no folder of its own."""
        return

    @property
    def version(self) -> None:
        """No version: this logger has no folder of its own."""
        return

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Keep the latest value of each measure."""
        values = {key: float(value) for key, value in metrics.items()}
        self.last |= {key: value if math.isfinite(value) else None for key, value in values.items()}

    def log_hyperparams(self, *arguments: Any, **keywords: Any) -> None:
        """Ignore hyper-parameters, which are in ``config.yaml``."""


def write_environment(folder: Path) -> None:
    """Add this start to ``environment.json``: the code's commit, versions of packages, the machine; null where there is no git."""
    path = folder / ENVIRONMENT
    try:
        earlier = read_json(path, what=f"'{path}'", limit=STARTS)
    except VeraError:  # the first start, or what a kill left: nothing depends on it
        earlier = []
    start = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "job": os.environ.get("SLURM_JOB_ID"),
        "git": git_state(Path(__file__).parent),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions(),
    }
    write_into_run(path, (json.dumps([*earlier, start], indent=1) + "\n").encode())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a run's folder for one process, since a second would overwrite the first one's results.

    Raises:
        VeraError: another is at work.

    """
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            other = file.read().strip() or "another process"
            raise VeraError(f"{other} is at work in '{folder}': wait for its end, or stop it, and start again") from error
        except OSError as error:
            warnings.warn(f"the disk of '{folder}' has no locks ({error.strerror}): see that no other process works there", stacklevel=3)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of ``vera train`` to the CPU; the run's own state is under ``vera``.

    Raises:
        VeraError: there is no file, it is damaged, or another program wrote it.

    """
    if damaged := damaged_part(path):
        raise VeraError(f"'{path}' is damaged: the checksum of '{damaged}' in it is wrong; take another of the run's checkpoints")
    try:
        saved: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged archive or pickle fails in many ways
        raise VeraError(f"'{path}' cannot be read as a checkpoint: name one that vera train wrote, whole") from error
    if not isinstance(saved, dict) or not isinstance(saved.get("vera"), dict):
        raise VeraError(f"'{path}' was not written by vera train: name one of its checkpoints")
    for name, kind in (("stage", str), ("images_seen", int), ("ema", dict), ("networks", dict)):
        field(saved["vera"], name, kind, what=f"'{path}'")
    return saved
