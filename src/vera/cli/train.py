"""``vera train``: an experiment, configured by Hydra."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vera.cli import EXIT_BAD_INPUT, EXIT_FAULT
from vera.files import storable, write_whole

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_PACKAGE = "vera.conf"
FULL_ERROR = "HYDRA_FULL_ERROR"


def train(context: typer.Context) -> None:
    """Train a network: `vera train [OVERRIDE]...` takes Hydra's overrides; `vera train --help` lists the groups."""
    run_hydra("train", context.args, start=_start, go_on="run.resume={folder}/last.ckpt")


def _start(config: DictConfig) -> float | None:
    from vera.cli.settings import TRAIN, require_settings
    from vera.training.runs.run import run

    require_settings(config, TRAIN)
    return run(config)


def run_hydra(config: str, overrides: list[str], *, start: Callable[[DictConfig], object], go_on: str) -> None:
    """Compose one of ``vera.conf``'s primary configs with these overrides and run what it describes.

    Args:
        config: the primary config's name, and the command's.
        overrides: overrides in Hydra's syntax, such as ``data.root=DIR``.
        start: function that runs the composed configuration.
        go_on: the override that goes on after an interruption, with ``{folder}`` for the run's.

    In a multirun a run that fails leaves ``failure.txt`` in its folder, and the others go on (:mod:`vera.training.runs.sweep` has the end).

    Raises:
        VeraError: the configuration groups are not installed.
        Exception: Hydra's, for a configuration that cannot be composed, and whatever ended the experiment (:mod:`vera.cli.errors` has
            the sentences); a multirun tells of its runs' errors itself.

    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from vera.cli.errors import sentence
    from vera.training.runs.folder import FAILURE, INTERRUPTED
    from vera.types import VeraError

    if find_spec(CONFIG_PACKAGE) is None:
        raise VeraError(f"the configuration groups ({CONFIG_PACKAGE}) are not installed: run `pip install -e .` in the repository")

    @hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_PACKAGE}", config_name=config)
    def experiment(cfg: DictConfig) -> object:
        own = HydraConfig.get()
        folder = Path(own.runtime.output_dir) if own.mode == RunMode.MULTIRUN else None
        sys.argv = entered  # Lightning starts a run's other processes with it: they belong to this run, not to all of a multirun
        if folder:
            (folder / FAILURE).unlink(missing_ok=True)
            sys.argv = [entered[0], config, *own.overrides.task, f"run.folder='{folder}'"]
        try:
            return start(cfg)
        except KeyboardInterrupt:
            more = "" if cfg.run.get("resume") == "auto" else f" and {go_on.format(folder=cfg.run.folder)}"
            sys.stderr.write(f"vera: interrupted; go on with the same command{more}\n")
            # Here it ends the whole multirun; in a process of its own only this run, unless SLURM may start that again.
            if folder is None or os.getpid() == here or os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
                raise
            told = INTERRUPTED
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and (folder is None or error.code not in {EXIT_FAULT, EXIT_BAD_INPUT}):
                raise  # as it was meant; in a multirun also submitit, which has put the job back into its queue
            if folder is None:
                ended.append(error)  # Hydra would tell of it in words of its own
                return None
            # Hydra turns any Exception into exit code 1 with a traceback, here or in a job on a cluster; SystemExit it leaves alone.
            told = sentence(error) or traceback.format_exc().strip()
            sys.stderr.write(f"vera: {told}\n")
        if folder:
            write_whole(folder / FAILURE, f"{storable(told)}\n".encode())
        return None

    here, ended = os.getpid(), list[BaseException]()
    entered, sys.argv = sys.argv, [f"vera {config}", *overrides]  # hydra.main reads nothing else
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"  # Hydra raises its errors, instead of showing them and leaving with 1
    try:
        experiment()
    except ValueError as error:  # the experiment's own errors do not come this way
        raise VeraError(f"the configuration cannot be composed: {str(error).partition(chr(10))[0]}") from error
    finally:
        os.environ.pop(FULL_ERROR) if before is None else os.environ.update({FULL_ERROR: before})
    if ended:
        raise ended[0]
