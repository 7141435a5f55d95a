"""Measured: the seconds of a training step on one device, and the bytes that DDP all-reduces in it."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.strategies import DDPStrategy

from vera import bundle
from vera.inversion.autoencoder import Autoencoder

TINY = {
    "stage 1": ["experiment=smoke_generator"],
    "stage 2": ["experiment=smoke_contrastive"],
    "stage 3": ["experiment=smoke_inversion"],
    "autoencoder": ["experiment=smoke"],
    "autoencoder, adversary": ["experiment=smoke", "stage.adversary=true"],
    "parser": ["experiment=smoke_parser"],
}
FULL = {
    "stage 1": ["experiment=celebamask512"],
    "stage 2": ["experiment=contrastive", "generator=px256"],
    "stage 3": ["experiment=inversion", f"stage.start={bundle.default_bundle()}"],
    "autoencoder": [],
    "autoencoder, adversary": ["experiment=default_clinical", "stage.begin=0"],
    "parser": ["experiment=parser"],
}
"""What a stage is trained with in earnest; the autoencoders are the default bundle's."""
CYCLE = 16
"""Steps after which every lazy phase has been due."""
FIRST, BUCKET = 2**20, 25 * 2**20
"""Bytes of DDP's first bucket, which is to go early, and of the others."""


def composed(overrides: list[str]) -> Any:
    """A training configuration that reads and writes no files."""
    with initialize_config_module("vera.conf", version_base="1.3"):
        config = compose("train", [*overrides, "data=procedural", "trainer=cpu", "run.folder=unused", "images=1"])
    if config.stage.get("passes") and config.stage.start is None:  # stage 3 starts from an autoencoder
        start = Autoencoder(generator=OmegaConf.to_container(config.generator), encoder=OmegaConf.to_container(config.encoder), bank=0)
        config.stage.start = str(Path(tempfile.mkdtemp(prefix="vera_scaling_"), "start"))
        bundle.save(Path(config.stage.start), start, provenance={}, licence="CC0", card="#")
    return config


def counted(module: pl.LightningModule) -> dict[str, float]:
    """The gradients of a step by counting parameters: DDP reduces all that can move in every backward pass, moved or not.

    Returns:
        ``trained``: bytes of all trained parameters; ``passes``: backward passes of a step, lazy ones by their share; ``volume``: bytes
        that are reduced in a step, in so many ``messages``; ``needed``: bytes of the networks that the passes move.

    """
    trained, objective = _bytes(module.parameters()), module.objective
    networks = {name: _bytes(network.parameters()) for name, network in objective.networks.items()}
    shares = [(1 / phase.every, networks[phase.trains]) for phase in objective.phases if phase.every]
    due, needed = sum(share for share, _ in shares), sum(share * size for share, size in shares)
    messages = due * (1 + math.ceil(max(trained - FIRST, 0) / BUCKET))
    return {"trained": trained, "passes": due, "volume": due * trained, "messages": messages, "needed": needed}


def measured(config: Any, *, steps: int, device: str, precision: str) -> dict[str, float]:
    """Run steps through DDP in one process, the first of them for warming up.

    Args:
        config: see :func:`composed`.
        steps: that count; :data:`CYCLE` where there are lazy phases.
        device: ``cpu`` or ``gpu``.
        precision: the trainer's.

    Returns:
        Means over the steps: ``seconds`` on the clock, ``cpu_seconds`` of this process, ``volume`` in bytes, ``messages``.

    """
    config.images = (1 + steps) * config.batch_size
    module = instantiate(config.stage.module, _convert_="all")
    watch = _Watch()
    strategy = DDPStrategy(process_group_backend="gloo" if device == "cpu" else "nccl", find_unused_parameters=True)
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False, "logger": False}
    trainer = pl.Trainer(
        accelerator=device, devices=1, precision=precision, strategy=strategy, callbacks=[watch], max_epochs=-1,
        use_distributed_sampler=False, **quiet,
    )  # fmt: skip
    trainer.fit(module, instantiate(config.datamodule, _convert_="all"))
    torch.distributed.destroy_process_group()
    return {
        "seconds": math.fsum(watch.wall[1:]) / steps,
        "cpu_seconds": math.fsum(watch.cpu[1:]) / steps,
        "volume": sum(sum(step) for step in watch.sent[1:]) / steps,
        "messages": sum(len(step) for step in watch.sent[1:]) / steps,
    }


class _Watch(pl.Callback):
    """Each step's seconds, and the bytes of each bucket that DDP hands to its all-reduce."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.sent: list[list[int]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        wrapped: Any = trainer.strategy.model
        wrapped.register_comm_hook(None, lambda _, bucket: self._count(bucket))

    def on_train_batch_start(self, *_: Any) -> None:
        self.sent.append([])
        self._began = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.wall.append(time.perf_counter() - self._began[0])
        self.cpu.append(time.process_time() - self._began[1])

    def _count(self, bucket: Any) -> Any:
        gradients = bucket.buffer()
        self.sent[-1].append(gradients.numel() * gradients.element_size())
        done: Any = torch.futures.Future()
        done.set_result(gradients)
        return done


def _bytes(parameters: Any) -> int:
    return sum(p.numel() * p.element_size() for p in parameters if p.requires_grad)
