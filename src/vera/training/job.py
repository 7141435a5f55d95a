"""A run as a job of a sweep, or alone: what is finished is passed over, and what was measured is its result."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from vera.training.record import finished
from vera.training.run import train
from vera.training.runs.folder import read_record
from vera.types import VeraError

log = logging.getLogger(__name__)


def run(config: DictConfig) -> float | None:
    """Train, unless ``run.resume=auto`` finds the run finished.

    Args:
        config: the composed ``train`` configuration.

    Returns:
        The last value of the measure that ``objective`` names; None without one, and in all processes but the first.

    Raises:
        VeraError: what :func:`vera.training.run.train` raises, or no such measure was logged.

    """
    folder = Path(config.run.folder)
    if config.run.resume == "auto" and finished(folder, config):
        log.info("'%s' is finished: nothing to do", folder)
    else:
        train(config)
    if config.objective is None or getattr(rank_zero_only, "rank", 0) != 0:
        return None
    measures = (read_record(folder) or {"measures": {}})["measures"]
    value: float | None = measures.get(config.objective)
    if value is None:
        raise VeraError(f"objective={config.objective} has no last value: name one of {', '.join(sorted(measures))}")
    return value
