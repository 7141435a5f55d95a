"""Stage 3 in its plainest form: the encoder with the generator unfrozen, an autoencoder of faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch

from vera.data.sample import Sample, decode_images, decode_labels
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.objective import InversionObjective
from vera.training.ema import EMA
from vera.training.guard import require_finite
from vera.training.schedule import Schedule
from vera.types import VeraError


class InversionModule(pl.LightningModule):
    """Order of one step: encode, synthesise, objective, step, EMA, count images.

    Args:
        network: encoder and generator.
        objective: the loss.
        optim: ``lr`` and ``betas`` of Adam.
        schedule: of the learning rate, and where the run ends.
        ema: ``half_life`` and ``ramp_up`` of the average that becomes the bundle.

    """

    def __init__(
        self,
        *,
        network: Autoencoder,
        objective: InversionObjective,
        optim: Mapping[str, Any],
        schedule: Schedule,
        ema: Mapping[str, float],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.objective, self.optim, self.schedule = objective, dict(optim), schedule
        self.ema = EMA(self.network, **ema)
        self.images_seen = 0
        self.in_step = False  # inside, weights and statistics are neither before nor after: nothing may be saved

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over encoder and generator."""
        return torch.optim.Adam(self.network.parameters(), lr=self.optim["lr"], betas=tuple(self.optim["betas"]))

    def training_step(self, batch: Sample, batch_idx: int) -> None:
        """One step; stops the run before a non-finite loss reaches the weights."""
        self.in_step = True
        # Channels last is faster on CPUs and tensor cores; the segmentations, decoded from class numbers, are so by themselves.
        images = decode_images(batch["image"]).contiguous(memory_format=torch.channels_last)
        segmentations = decode_labels(batch["labels"])
        optimizer: Any = self.optimizers()
        rate = self.optim["lr"] * self.schedule.factor(self.images_seen)
        for group in optimizer.param_groups:
            group["lr"] = rate

        codes = self.network.encode(images, segmentations)
        losses, terms = self.objective(self.network.generator(codes), codes, images, segmentations)
        loss = losses.mean()
        require_finite(loss, "loss", images_seen=self.images_seen)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

        count = len(images) * self.trainer.world_size
        self.images_seen += count
        self.ema.update(self.network, images=count, images_seen=self.images_seen)
        logged = {f"loss/{name}": value.detach().mean() for name, value in terms.items()}
        self.log_dict({**logged, "loss/total": loss.detach(), "lr": rate, "step": float(self.images_seen)})  # the x-axis is images
        self.in_step = False
        if self.images_seen >= self.schedule.total:
            self.trainer.should_stop = True

    def on_fit_start(self) -> None:
        """The average lives where the network lives; a finished run does not go on."""
        if self.images_seen >= self.schedule.total:
            raise VeraError(f"this run has seen {self.images_seen} images, images={self.schedule.total} are asked for: ask for more")
        self.ema.network.to(self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of: the average and the count of images."""
        checkpoint["vera"] = {"stage": "inversion", "ema": self.ema.network.state_dict(), "images_seen": self.images_seen}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore them."""
        self.ema.network.load_state_dict(checkpoint["vera"]["ema"])
        self.images_seen = int(checkpoint["vera"]["images_seen"])
