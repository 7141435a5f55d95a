"""Callbacks that act every N images (docs/architecture.md#contract-4): checkpoints, also on signals (#contract-9)."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from vera.data.sample import Sample
from vera.files import finish


def passed(every: int, *, before: int, now: int) -> bool:
    """Whether a multiple of ``every`` lies after ``before``, up to ``now``."""
    return now // every > before // every


class Periodic(pl.Callback):
    """Acts when a multiple of N images was passed, and when the run is complete.

    Args:
        every: number N of images between two actions.

    """

    def __init__(self, *, every: int) -> None:
        self.every = every

    def act(self, trainer: pl.Trainer, module: Any, batch: Sample) -> None:
        """The callback's action; all processes call it."""
        raise NotImplementedError

    def due(self, trainer: pl.Trainer, module: Any, batch: Sample) -> bool:
        """Whether to act after this step."""
        now, step = module.images_seen, trainer.world_size * len(batch["image"])
        return passed(self.every, before=now - step, now=now) or bool(now >= module.schedule.total)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Sample, batch_idx: int) -> None:
        """After each step."""
        if self.due(trainer, module, batch):
            self.act(trainer, module, batch)


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
"""Ctrl-C, and what clusters send before they take a machine away; SIGUSR2 is submitit's."""


def save_checkpoint(trainer: pl.Trainer, path: Path) -> None:
    """Write a complete checkpoint, whole or not at all; every process calls it."""
    part = path.with_name(f"partial-{path.name}")  # the same in all processes
    trainer.save_checkpoint(part, weights_only=False)
    if trainer.is_global_zero:
        finish(part, path)


class Snapshots(Periodic):
    """Save ``last.ckpt`` every N images and where the run stops.

    Ctrl-C, SIGTERM, SIGUSR1 and SIGUSR2 let the step end, save and stop, in all processes together, whichever received the signal;
    the run goes on from there with ``run.resume``. A second Ctrl-C stops at once, and the last snapshot stays. While the run trains,
    these signals are nobody else's; ``interrupted`` is the one that stopped it, 0 if none did; :mod:`vera.training.runs.run` hands it on.

    Args:
        folder: folder for the checkpoints.
        every: images between two snapshots.

    """

    def __init__(self, *, folder: str | Path, every: int) -> None:
        super().__init__(every=every)
        self.folder = Path(folder)
        self.interrupted = 0
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Take over the signals."""

        def stop(number: int, frame: Any) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.interrupted = number

        self.folder.mkdir(parents=True, exist_ok=True)
        if threading.current_thread() is threading.main_thread():  # elsewhere Python gives no signals
            self._before = {number: signal.signal(number, stop) for number in SIGNALS}

    def on_train_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Give the signals back, before Lightning gives back its own."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def due(self, trainer: pl.Trainer, module: Any, batch: Sample) -> bool:
        """Whether to save now: at multiples of N, and when the run stops for whatever reason."""
        if trainer.world_size > 1:  # a signal may reach one process only, and all have to leave the loop together
            received: Any = trainer.strategy.reduce(torch.tensor(self.interrupted, device=module.device), reduce_op="max")
            self.interrupted = int(received)
        if self.interrupted:
            trainer.should_stop = True
        return super().due(trainer, module, batch) or trainer.should_stop

    def act(self, trainer: pl.Trainer, module: Any, batch: Sample) -> None:
        """Save the checkpoint ``last.ckpt``."""
        save_checkpoint(trainer, self.folder / "last.ckpt")

    def on_exception(self, trainer: pl.Trainer, module: Any, exception: BaseException) -> None:
        """A run that is stopped between two steps keeps what it learned; inside a step the last snapshot is the better one.

        One process of several cannot save by itself: there, too, the last snapshot stays.
        """
        if module.images_seen and not module.in_step and trainer.world_size == 1:
            save_checkpoint(trainer, self.folder / "last.ckpt")
        self.on_train_end(trainer, module)
