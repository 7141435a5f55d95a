"""``vera train``: an experiment, configured by Hydra."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_PACKAGE = "vera.conf"


def train(context: typer.Context) -> None:
    """Train a network: `vera train [OVERRIDE]...` takes Hydra's overrides; `vera train --help` lists the groups."""
    run_hydra("train", context.args, start=_start, go_on="run.resume={folder}/last.ckpt")


def _start(config: DictConfig) -> None:
    from vera.training.run import train as start

    start(config)


def run_hydra(config: str, overrides: list[str], *, start: Callable[[DictConfig], object], go_on: str) -> None:
    """Compose one of ``vera.conf``'s primary configs with these overrides and run what it describes.

    Args:
        config: the primary config's name, and the command's.
        overrides: Hydra's.
        start: runs it.
        go_on: the override that goes on after an interruption, with ``{folder}`` for the run's.

    Raises:
        VeraError: the configuration groups are not installed.
        SystemExit: Hydra could not compose the configuration (1), bad input (2), or the experiment failed (1).

    """
    import hydra
    from hydra.errors import InstantiationException

    from vera.types import VeraError

    if find_spec(CONFIG_PACKAGE) is None:
        raise VeraError(f"the configuration groups ({CONFIG_PACKAGE}) are not installed: run `pip install -e .` in the repository")

    @hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_PACKAGE}", config_name=config)
    def experiment(cfg: DictConfig) -> None:
        sys.argv = entered  # Lightning starts a run's other processes with it
        try:
            start(cfg)
        except (VeraError, InstantiationException) as error:
            cause = error.__cause__ if isinstance(error, InstantiationException) else error  # what a part says when Hydra builds it
            if not isinstance(cause, VeraError):
                raise
            # Hydra turns any Exception into exit code 1 with a traceback, here or in a job on a cluster; SystemExit it leaves alone.
            sys.stderr.write(f"vera: {cause}\n")
            sys.exit(2)
        except KeyboardInterrupt:
            sys.stderr.write(f"vera: interrupted; go on with the same command and {go_on.format(folder=cfg.run.folder)}\n")
            raise

    entered, sys.argv = sys.argv, [f"vera {config}", *overrides]  # hydra.main reads nothing else
    experiment()
