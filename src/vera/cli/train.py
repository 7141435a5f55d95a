"""``vera train``: an experiment, configured by Hydra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vera.cli.hydra import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig

ABOUT = """
Usage: vera train [OVERRIDE]...

  Train a network: a stage of the paper, or the parser. The run's folder gets the configuration, the log and the checkpoints.

Examples:
  vera train experiment=smoke                                          # a minute on a laptop, no data needed
  vera train experiment=generator data.root=DIR trainer=ddp            # stage 1 on your own faces, on all GPUs
  vera train experiment=inversion stage.start=BUNDLE data.root=DIR     # stage 3
  vera train experiment=smoke run.folder=DIR run.resume=auto           # go on where it was stopped
  vera train -m sweep=grid experiment=smoke                            # several runs, for vera report
"""


def train(context: typer.Context) -> None:
    """Train a network: a stage of the paper, or the parser."""
    run_hydra("train", context.args, start=_start, go_on="run.resume={folder}/last.ckpt", about=ABOUT)


def _start(config: DictConfig) -> float | None:
    from vera.cli.settings import TRAIN, require_settings
    from vera.training.runs.run import run

    require_settings(config, TRAIN)
    return run(config)
