"""One training run, from a composed configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vera.types import VeraError


def train(config: DictConfig) -> Path:
    """Train, or go on training, and return the last checkpoint.

    Args:
        config: the composed ``train`` configuration (see ``conf/train.yaml``).

    Raises:
        VeraError: for a missing data folder or checkpoint, or a loss that is not finite.

    """
    folder = Path(config.run.folder)
    resume = config.run.resume
    if resume is not None and not Path(resume).is_file():
        raise VeraError(f"no checkpoint at run.resume='{resume}'")
    pl.seed_everything(int(config.seed), workers=True, verbose=False)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)

    module: Any = instantiate(config.stage.module, _convert_="all")  # plain containers: a bundle carries them as JSON
    data: Any = instantiate(config.datamodule, _convert_="all")
    callbacks = [instantiate(c) for c in config.callbacks.values()]
    trainer: pl.Trainer = instantiate(config.trainer, callbacks=callbacks, logger=instantiate(config.logger))
    try:
        trainer.fit(module, data, ckpt_path=None if resume is None else str(resume), weights_only=True)
    except SystemExit:
        if trainer.interrupted:  # Lightning leaves with 1 on Ctrl-C
            raise KeyboardInterrupt from None
        raise
    if any(getattr(callback, "interrupted", False) for callback in callbacks):
        raise KeyboardInterrupt
    return folder / "last.ckpt"
