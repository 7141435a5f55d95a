"""One training run, from a composed configuration."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from vera.types import VeraError


def train(config: DictConfig) -> Path:
    """Train, or go on training, and return the last checkpoint.

    Args:
        config: the composed ``train`` configuration (see ``conf/train.yaml``).

    Raises:
        VeraError: for a missing data folder or checkpoint, or a loss that is not finite.
        KeyboardInterrupt: the run was stopped by Ctrl-C or a cluster's signal; its last checkpoint is complete.

    """
    folder = Path(config.run.folder)
    last = folder / "last.ckpt"
    resume = _checkpoint(config.run.resume, last)
    pl.seed_everything(int(config.seed), workers=True, verbose=False)
    if getattr(rank_zero_only, "rank", 0) == 0:
        folder.mkdir(parents=True, exist_ok=True)
        _keep_log(folder / "metrics.csv")
        OmegaConf.save(config, folder / "config.yaml", resolve=True)

    module = _made(config.stage.module, _convert_="all")  # plain containers: a bundle carries them as JSON
    data = _made(config.datamodule, _convert_="all")
    callbacks = [_made(c) for c in config.callbacks.values()]
    trainer: pl.Trainer = _made(config.trainer, callbacks=callbacks, logger=_made(config.logger))
    try:
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    except SystemExit:
        if trainer.interrupted:  # Lightning leaves with 1 on Ctrl-C
            raise KeyboardInterrupt from None
        raise
    # Of several processes one tells: Lightning kills all of them when another leaves with an error.
    if trainer.is_global_zero and any(getattr(callback, "interrupted", False) for callback in callbacks):
        raise KeyboardInterrupt
    return last


def _made(config: DictConfig, **arguments: Any) -> Any:
    """What a configuration describes; a part's own complaint comes out as it is, not wrapped in Hydra's."""
    try:
        return instantiate(config, **arguments)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, VeraError):
            cause = cause.__cause__
        raise cause or error from error


def _checkpoint(resume: str | None, last: Path) -> str | None:
    """Where to go on from. ``auto``: from the run's own last checkpoint, if there is one (a cluster starts the same command again)."""
    if resume == "auto":
        return str(last) if last.is_file() else None
    if resume is not None and not Path(resume).is_file():
        raise VeraError(f"no checkpoint at run.resume='{resume}'")
    return resume


def _keep_log(log: Path) -> None:
    """Lightning's CSV logger deletes the log of a run that goes on in its own folder: put it aside as ``metrics.1.csv``, 2, ..."""
    if log.is_file():
        taken = {file.name for file in log.parent.glob("metrics.*.csv")}
        log.rename(next(name for n in itertools.count(1) if (name := log.with_suffix(f".{n}.csv")).name not in taken))
