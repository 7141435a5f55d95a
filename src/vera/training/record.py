"""What a run's folder says of the run: how far it is and what it measured (``run.json``), and on what it ran (``environment.json``)."""

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

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers.logger import Logger

from vera.evaluation.protocol_ledger import write_whole
from vera.evaluation.protocol_provenance import git_state, versions
from vera.evaluation.report_runs import RECORD, read_record
from vera.types import VeraError

CONFIG, ENVIRONMENT, LOCK = "config.yaml", "environment.json", ".lock"
ELSEWHERE = {"run", "trainer", "logger", "callbacks", "sweep", "objective"}
"""Parts of a configuration that say where and how a run runs, not what it is."""


class Measures(Logger):
    """A logger beside the chosen one that only keeps the last value of each measure.

    Args:
        known: those of the run's earlier starts.

    """

    def __init__(self, known: Mapping[str, float | None]) -> None:
        super().__init__()
        self.last = dict(known)

    @property
    def name(self) -> None:
        """It has none: nothing is filed under it."""
        return

    @property
    def version(self) -> None:
        """It has none."""
        return

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Keep them."""
        values = {key: float(value) for key, value in metrics.items()}
        self.last |= {key: value if math.isfinite(value) else None for key, value in values.items()}

    def log_hyperparams(self, *arguments: Any, **keywords: Any) -> None:
        """They are in ``config.yaml``."""


def write_record(folder: Path, *, finished: bool, images: int, measures: Mapping[str, float | None]) -> None:
    """Write ``run.json``, whole or not at all.

    Args:
        folder: the run's.
        finished: whether it has seen all its images.
        images: that it has seen.
        measures: the last value of each.

    """
    record = {"state": "finished" if finished else "unfinished", "images": images, "measures": dict(sorted(measures.items()))}
    write_whole(folder / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def write_environment(folder: Path) -> None:
    """Add this start to ``environment.json``: the code's commit, versions of packages, the machine; null where there is no git."""
    path = folder / ENVIRONMENT
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the first start, or what a kill left: nothing depends on it
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
    write_whole(path, (json.dumps([*earlier, start], indent=1) + "\n").encode())


def finished(folder: Path, config: DictConfig) -> bool:
    """Whether the folder holds this very run, finished; more images than it has seen are another matter: then it goes on.

    Args:
        folder: the run's.
        config: what is asked for.

    Raises:
        VeraError: a finished run of another configuration is there.

    """
    record = read_record(folder)
    if record is None or record["state"] != "finished" or not (folder / CONFIG).is_file() or config.images > record["images"]:
        return False
    there, here = _flat(OmegaConf.load(folder / CONFIG)), _flat(config)
    for key in sorted(there.keys() | here.keys()):
        handed_on = key.startswith("stage.") and not key.startswith("stage.module.")  # the module has the same values
        if there.get(key) != here.get(key) and not key.endswith("workers") and not handed_on:
            difference = f"{key}: {there.get(key)} there, {here.get(key)} here"
            raise VeraError(f"'{folder}' holds a finished run of another configuration ({difference}): choose another folder or sweep.name")
    return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time works in a run's folder: a second would overwrite what the first learns.

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


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of a configuration by their way, without what lies in :data:`ELSEWHERE`."""
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    if not isinstance(plain, dict):
        return {prefix: plain}
    leaves: dict[str, Any] = {}
    for key, value in plain.items():
        if prefix or key not in ELSEWHERE:
            leaves |= _flat(value, f"{prefix}.{key!s}" if prefix else str(key))
    return leaves
