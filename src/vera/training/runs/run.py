"""One training run, from a composed configuration; alone, or as a job of a multirun.

It leaves requeueing to the launcher (docs/architecture.md#contract-9): a signal is handed on after everything was saved.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from vera.files import made_folder, write_whole
from vera.moved import modernise
from vera.training.runs.folder import CONFIG, finished, read_record, require_recipe, write_record
from vera.training.runs.record import LOCK, Measures, alone, read_checkpoint, write_environment
from vera.types import VeraError

log = logging.getLogger(__name__)

HYDRAS = {".hydra", "train.log"}
"""What Hydra writes into a run's folder before the run begins, and removes again (:mod:`vera.cli.hydra`)."""
SLOW = "stage.compiler=%s on a CPU: compiling takes longer than it saves (16 images took 10 minutes); leave it to GPUs"


def train(config: DictConfig) -> Path:
    """Start or resume a training run, and return its last checkpoint.

    Args:
        config: the composed ``train`` configuration (see ``conf/train.yaml``).

    Raises:
        VeraError: for a missing data folder or checkpoint, a loss that is not finite, or a folder where another process is at work.
        KeyboardInterrupt: the run was stopped by Ctrl-C or a cluster's signal; its last checkpoint is complete.
        SystemExit: the same, where submitit waits for the signal and has put the job back into its queue.

    """
    modernise(config)
    folder = Path(config.run.folder)
    last = folder / "last.ckpt"
    resume = _checkpoint(config.run.resume, last)
    if resume is not None:
        require_recipe(Path(resume), config)
    _quiet()
    pl.seed_everything(int(config.seed), workers=True, verbose=False)
    module = _made(config.stage.module, _convert_="all")  # plain containers: a bundle carries them as JSON
    data = _made(config.datamodule, _convert_="all")
    callbacks = [_made(c) for c in (config.get("callbacks") or {}).values()]
    earlier = (read_record(folder) if resume else None) or {"images": 0, "measures": {}}
    measures = Measures(earlier["measures"])
    trainer = _trainer(config, callbacks, measures)
    if _tells():  # nothing is written for a configuration that describes nothing
        with made_folder(folder), alone(folder), _nothing_left(folder, module):
            _keep_log(folder / "metrics.csv")
            write_whole(folder / CONFIG, OmegaConf.to_yaml(config, resolve=True).encode())
            write_environment(folder)
            _fit(trainer, config, module, data, measures, resume, images=earlier["images"])
    else:
        _fit(trainer, config, module, data, measures, resume, images=earlier["images"])
    received = max((getattr(callback, "interrupted", 0) for callback in callbacks), default=0)
    if received:
        hand_on(received)
        if _tells():
            raise KeyboardInterrupt
    return last


def _tells() -> bool:
    """Whether this process writes and reports: only one does, since Lightning kills all when another fails."""
    return getattr(rank_zero_only, "rank", 0) == 0


@contextmanager
def _nothing_left(folder: Path, module: Any) -> Iterator[None]:
    """A run that fails before it has seen an image leaves nothing, unless something but Hydra's files was there before."""
    fresh = {path.name for path in folder.iterdir()} <= {LOCK, *HYDRAS}
    try:
        yield
    except Exception:
        if fresh and not module.images_seen:
            for path in folder.iterdir():
                if path.is_dir() and path.name not in HYDRAS:
                    shutil.rmtree(path)
                elif path.name not in HYDRAS:
                    path.unlink()
        raise


def _trainer(config: DictConfig, callbacks: list[pl.Callback], measures: Measures) -> pl.Trainer:
    """Lightning's trainer, before anything is written; without a logger (``~logger``) only the last measures are kept."""
    logger, plugins = config.get("logger"), environment()
    keywords = {"plugins": plugins} if plugins else {}
    loggers = [*([_made(logger)] if logger else []), measures]
    trainer: pl.Trainer = _made(config.trainer, callbacks=callbacks, logger=loggers, **keywords)
    compiler = OmegaConf.select(config, "stage.compiler")
    if compiler and trainer.strategy.root_device.type == "cpu" and _tells():
        log.warning(SLOW, compiler)
    return trainer


def _fit(trainer: pl.Trainer, config: DictConfig, module: Any, data: Any, measures: Measures, resume: str | None, *, images: int) -> None:
    """Train on from so many images, and write the run's record however it ends."""
    folder = Path(config.run.folder)
    if _tells():
        write_record(folder, finished=False, images=images, measures=measures.last)
    try:
        with own_processes():
            trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    except SystemExit:
        if trainer.interrupted:  # Lightning leaves with 1 on Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except RuntimeError as error:
        if resume is None or "loading state_dict" not in str(error):
            raise
        raise VeraError(f"the checkpoint '{resume}' is another network's: go on with the configuration of its own run") from error
    finally:
        if _tells():
            done = module.images_seen >= config.images and (folder / "last.ckpt").is_file()
            write_record(folder, finished=done, images=module.images_seen, measures=measures.last)


def _quiet() -> None:
    """Keep from the terminal what Lightning says of ways of working that are not ours: each is true elsewhere, and alarming here."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips and advertisements
    for remark in (
        "Experiment logs directory",  # an old log is put aside
        ".*does not have many workers",  # faces are small, and kept in memory
        ".*in eval mode at the start of training",  # averages and frozen networks are meant to be
        ".*weights_only",
        ".*LeafSpec",
        "Grad strides do not match",  # of depthwise filters, between processes: right, and fast enough
    ):
        warnings.filterwarnings("ignore", message=remark)


def _made(config: DictConfig, **arguments: Any) -> Any:
    """Instantiate a part of the configuration; its own VeraError is raised unwrapped."""
    try:
        return instantiate(config, **arguments)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, VeraError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from error


def _checkpoint(resume: str | None, last: Path) -> str | None:
    """Checkpoint to resume from; ``auto`` is the run's own last one, if any (a cluster starts the same command again)."""
    if resume is None:
        if last.is_file():
            raise VeraError(f"'{last.parent}' holds a run: go on with run.resume=auto, or name another run.folder; nothing is overwritten")
        return None
    if resume == "auto" and not last.is_file():
        return None
    path = last if resume == "auto" else Path(resume)
    if not path.is_file():
        raise VeraError(f"no checkpoint at run.resume='{resume}'")
    read_checkpoint(path)
    return str(path)


def _keep_log(log: Path) -> None:
    """Lightning's CSV logger deletes the log of a run that goes on in its own folder: put it aside as ``metrics.1.csv``, 2, ..."""
    if log.is_file():
        taken = {file.name for file in log.parent.glob("metrics.*.csv")}
        log.rename(next(name for n in itertools.count(1) if (name := log.with_suffix(f".{n}.csv")).name not in taken))


def run(config: DictConfig) -> float | None:
    """Train, unless ``run.resume=auto`` finds the run finished.

    Args:
        config: the composed ``train`` configuration.

    Returns:
        The last value of the measure that ``objective`` names; None without one, and in all processes but the first.

    Raises:
        VeraError: what :func:`vera.training.runs.run.train` raises, or no such measure was logged.

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


def environment() -> list[SLURMEnvironment]:
    """Cluster plugins for the Trainer: under srun Lightning's SLURM without its own checkpoints and requeueing, else none.

    Lightning finds SLURM by itself and would take SIGUSR1 before the first step and after the last one.
    """
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]


def hand_on(number: int) -> None:
    """Pass the signal that stopped a run on to the launcher, after everything was saved.

    In submitit's jobs that is submitit: at SIGUSR2 it requeues the job and leaves the process. Elsewhere nobody waits.

    Args:
        number: number of the signal, such as ``signal.SIGUSR2``.

    """
    if signal.getsignal(number) not in {signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None}:
        signal.raise_signal(number)


@contextmanager
def own_processes() -> Iterator[None]:
    """Context of a run's own process group, which is removed at its end so that the next run of a multirun can start others."""
    names = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    before = {name: os.environ[name] for name in names if name in os.environ}
    yield
    if "LOCAL_RANK" in before:  # somebody else started this process
        return
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name in names:
        os.environ.pop(name, None)
    os.environ.update(before)
