"""``vera evaluate``: anonymizers over people's photographs, configured by Hydra."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from vera.cli import EXIT_FAULT
from vera.cli.train import run_hydra

if TYPE_CHECKING:
    from omegaconf import DictConfig


def evaluate(context: typer.Context) -> None:
    """Evaluate anonymizers beside the baselines: `vera evaluate people.path=pairs.csv [OVERRIDE]...`; `--help` lists the groups."""
    run_hydra("evaluate", context.args, start=_start, go_on="run.folder={folder}")


def _start(config: DictConfig) -> None:
    from vera.cli.evaluation import run
    from vera.cli.settings import EVALUATE, require_settings

    require_settings(config, EVALUATE)
    failed = run(config)
    if failed:
        sys.stderr.write(f"vera: {failed} items failed by a fault of an anonymizer: {config.run.folder}/records-*.jsonl says why\n")
        sys.exit(EXIT_FAULT)
