"""``vera evaluate``: anonymizers over people's photographs, configured by Hydra."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from vera.cli import EXIT_FAULT
from vera.cli.hydra import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig

ABOUT = """
Usage: vera evaluate [OVERRIDE]...

  Evaluate anonymizers on people's photographs, beside the baselines. The run's folder gets the table, the figures and all results.

Examples:
  vera evaluate people.path=pairs.csv preserve=[mouth]                 # all anonymizers
  vera evaluate people.path=pairs.csv anonymizer=[vera,blur] run.folder=DIR
  vera evaluate people=lfw people.root=DIR limit=100                   # the first 100 people of a public data set
  vera evaluate -m comparison=regions people.path=pairs.csv            # what it costs to keep a region, for vera report
"""


def evaluate(context: typer.Context) -> None:
    """Evaluate anonymizers on people's photographs, beside the baselines."""
    run_hydra("evaluate", context.args, start=_start, go_on="run.folder={folder}", about=ABOUT)


def _start(config: DictConfig) -> None:
    from vera.cli.evaluation import run
    from vera.cli.settings import EVALUATE, require_settings

    require_settings(config, EVALUATE)
    failed = run(config)
    if failed:
        sys.stderr.write(f"vera: {failed} items failed by a fault of an anonymizer: {config.run.folder}/records-*.jsonl says why\n")
        sys.exit(EXIT_FAULT)
