"""Read the training runs of a sweep: overrides, state, images seen and last measures of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from omegaconf import DictConfig, OmegaConf

from vera.files import printable, write_into_run
from vera.moved import modernise
from vera.training.runs.stored import read_values
from vera.types import VeraError
from vera.untrusted import field, read_json, read_text

RECORD, CONFIG, FAILURE, OVERRIDES = "run.json", "config.yaml", "failure.txt", ".hydra/overrides.yaml"
ELSEWHERE = {"run", "trainer", "logger", "callbacks", "sweep", "objective"}
"""Parts of a configuration that say where and how a run runs, not what it is."""
FREE = {"images", "stage.module.schedule.total"}
"""Settings of a recipe that may change when a run goes on: it may become longer."""
SMALL = 1 << 20
"""DECISION: bytes of a file that says how a run was called, or why it failed."""
INTERRUPTED = "interrupted; the same command goes on"
"""What ``failure.txt`` says of a run that was stopped by a signal while the others of its sweep went on."""


@dataclass(frozen=True)
class Run:
    """One training run of a sweep.

    Attributes:
        folder: below the sweep's, whose name it begins with.
        state: ``finished``; ``failed``; ``unfinished``: stopped, or still at work.
        why: reason of the failure, in a line.
        overrides: overrides of the run's command, by key.
        images: seen.
        measures: each one's last logged value; None for one that was not finite.

    """

    folder: str
    state: Literal["finished", "failed", "unfinished"]
    why: str
    overrides: Mapping[str, str]
    images: int
    measures: Mapping[str, float | None]


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read a run's ``run.json``; None where there is none.

    Raises:
        VeraError: it is damaged.

    """
    path = folder / RECORD
    if not path.is_file():
        return None
    what = f"'{path}'"
    try:
        record = read_json(path, what=what)
        measures = field(record, "measures", dict, what=what)
        if not all(value is None or isinstance(value, int | float) for value in measures.values()):
            raise VeraError(f"{what} has a measure that is no number")
        return {
            "state": field(record, "state", str, what=what),
            "images": field(record, "images", int, what=what),
            "measures": {printable(name): value for name, value in measures.items()},
        }
    except VeraError as error:
        raise VeraError(f"'{path}' is damaged ({error}): remove it, and start the run again with run.resume=auto") from error


def read_failure(folder: Path) -> str:
    """Text of a failed run's ``failure.txt``; empty where there is none."""
    path = folder / FAILURE
    return read_text(path, what=f"'{path}'", limit=SMALL).strip() if path.is_file() else ""


def _overrides(path: Path) -> list[str]:
    text = read_text(path, what=f"'{path}'", limit=SMALL)
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise VeraError(f"'{path}' is damaged: it is no list of overrides") from error
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise VeraError(f"'{path}' is damaged: it is no list of overrides")
    return found


def folders(sweep: Path) -> list[Path]:
    """Folders of runs below a sweep's folder; it is none itself."""
    return sorted({path.parents[1] for path in sweep.rglob(OVERRIDES)} - {sweep})


def read_runs(sweep: Path) -> list[Run]:
    """Every run below a sweep's folder that has begun.

    Raises:
        VeraError: there is none, or a run's record is damaged.

    """
    runs = [_read(folder, sweep) for folder in folders(sweep)]
    if not runs:
        raise VeraError(f"'{sweep}' holds no runs of a sweep: name the folder of a multirun, or that of an evaluation that has finished")
    return runs


def _read(folder: Path, sweep: Path) -> Run:
    record = read_record(folder) or {"state": "unfinished", "images": 0, "measures": {}}
    why = read_failure(folder)
    finished = record["state"] == "finished"
    failed = not finished and why not in {"", INTERRUPTED}
    asked = [override.lstrip("+~").partition("=") for override in _overrides(folder / OVERRIDES)]
    return Run(
        folder=str(Path(sweep.resolve().name, folder.relative_to(sweep))),
        state="finished" if finished else "failed" if failed else "unfinished",
        why=why.splitlines()[-1] if failed else "",
        overrides={key: value for key, _, value in asked},
        images=record["images"],
        measures=record["measures"],
    )


def write_record(folder: Path, *, finished: bool, images: int, measures: Mapping[str, float | None]) -> None:
    """Write ``run.json``, whole or not at all.

    Args:
        folder: folder of the run.
        finished: whether it has seen all its images.
        images: number of images seen so far.
        measures: the last value of each.

    """
    record = {"state": "finished" if finished else "unfinished", "images": images, "measures": dict(sorted(measures.items()))}
    write_into_run(folder / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def finished(folder: Path, config: DictConfig) -> bool:
    """Whether the folder holds exactly this run, finished; if more images are now asked for, it is not.

    Args:
        folder: folder of the run.
        config: configuration that is asked for.

    Raises:
        VeraError: a finished run of another configuration is there.

    """
    record = read_record(folder)
    if record is None or record["state"] != "finished" or not (folder / CONFIG).is_file() or config.images > record["images"]:
        return False
    there, here = _flat(_of_today(read_values(folder / CONFIG))), _flat(_of_today(config))
    for key in sorted(there.keys() | here.keys()):
        handed_on = key.startswith("stage.") and not key.startswith("stage.module.")  # the module has the same values
        if there.get(key) != here.get(key) and not key.endswith("workers") and not handed_on:
            difference = f"{key}: {there.get(key)} there, {here.get(key)} here"
            raise VeraError(f"'{folder}' holds a finished run of another configuration ({difference}): choose another folder or sweep.name")
    return True


def require_recipe(checkpoint: Path, config: DictConfig) -> None:
    """Refuse to go on from a checkpoint with another recipe than the run that wrote it.

    What may differ: where and how the run runs (:data:`ELSEWHERE`, workers), and for how many images.

    Args:
        checkpoint: the run's ``last.ckpt``, or one of ``top``; without a configuration in its folder nothing is compared.
        config: configuration that is asked for.

    Raises:
        VeraError: something else differs; the first setting is named.

    """
    folder = next((folder for folder in checkpoint.parents[:2] if (folder / CONFIG).is_file()), None)
    if folder is None:
        return
    there, here = (
        {key: value for key, value in _flat(_of_today(one)).items() if value is not None} for one in (read_values(folder / CONFIG), config)
    )
    for key in sorted(there.keys() | here.keys()):
        handed_on = key.startswith("stage.") and not key.startswith("stage.module.")  # the module has the same values
        free = key in FREE or key.endswith("workers") or handed_on
        if not free and there.get(key) != here.get(key):
            raise VeraError(
                f"'{folder}' was trained with {key}={there.get(key)}, and {here.get(key)} is asked for: a run goes on with its own "
                "settings (trainer, workers and images may change); for others start a new run, from a bundle of this one if need be"
            )


def _of_today(config: DictConfig) -> Any:
    """A configuration's plain values, with the paths and names of this version."""
    plain = OmegaConf.to_container(config, resolve=True)
    modernise(plain)
    return plain


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of a configuration by their way, without what lies in :data:`ELSEWHERE`."""
    if not isinstance(node, dict):
        return {prefix: node}
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        if prefix or key not in ELSEWHERE:
            leaves |= _flat(value, f"{prefix}.{key!s}" if prefix else str(key))
    return leaves
