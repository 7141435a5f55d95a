"""Training of the parser: disturbed faces to segmentations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch

from vera.data.sample import Sample, decode_images
from vera.faces.disturbance import Disturbance
from vera.faces.parsing_objective import ParsingObjective
from vera.faces.segmenter import Segmenter
from vera.training.draws import Draws
from vera.training.ema import EMA
from vera.training.faces import dealt
from vera.training.guard import require_finite
from vera.training.schedule import Schedule
from vera.types import VeraError


class ParsingModule(pl.LightningModule):
    """Order of one step: disturb, parse, objective, step, EMA, count images.

    Args:
        network: the parser's.
        disturbance: of the faces, on the device.
        objective: the loss.
        optim: ``lr``, ``betas`` and ``eps`` of Adam.
        clip: greatest norm of a step's gradient: some disturbed faces can hardly be seen, and their loss is large.
        schedule: of the learning rate, and where the run ends.
        ema: ``half_life`` and ``ramp_up`` of the average that becomes the bundle.
        seed: of the disturbances.

    """

    def __init__(
        self,
        *,
        network: Segmenter,
        disturbance: Disturbance,
        objective: ParsingObjective,
        optim: Mapping[str, Any],
        clip: float,
        schedule: Schedule,
        ema: Mapping[str, float],
        seed: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.disturbance, self.objective, self.optim, self.schedule = disturbance, objective, dict(optim), schedule
        self.ema, self.clip, self.seed = EMA(self.network, **ema), clip, seed
        self.images_seen = 0
        self.in_step = False  # inside, weights are neither before nor after: nothing may be saved

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over trunk and decoder."""
        return torch.optim.Adam(self.network.parameters(), lr=self.optim["lr"], betas=tuple(self.optim["betas"]), eps=self.optim["eps"])

    def training_step(self, batch: Sample, batch_idx: int) -> None:
        """One step; stops the run before a non-finite loss reaches the weights."""
        self.in_step = True
        images, labels = self.disturbed(batch)
        optimizer: Any = self.optimizers()
        rate = self.optim["lr"] * self.schedule.factor(self.images_seen)
        for group in optimizer.param_groups:
            group["lr"] = rate

        losses, terms = self.objective(self.network(images.contiguous(memory_format=torch.channels_last)), labels)
        loss = losses.mean()
        require_finite(loss, "loss", images_seen=self.images_seen)
        optimizer.zero_grad()
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        require_finite(norm, "gradient's norm", images_seen=self.images_seen)
        optimizer.step()

        count = len(images) * self.trainer.world_size
        self.images_seen += count
        self.ema.update(self.network, images=count, images_seen=self.images_seen)
        logged = {f"loss/{name}": value.detach().mean() for name, value in terms.items()}
        self.log_dict({**logged, "loss/total": loss.detach(), "lr": rate, "step": float(self.images_seen)})  # the x-axis is images
        self.in_step = False
        if self.images_seen >= self.schedule.total:
            self.trainer.should_stop = True

    def disturbed(self, batch: Sample) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch as the network sees it: images ``(B, 3, S, S)`` in [-1, 1] and labels ``(B, S, S)``."""
        images, draws = decode_images(batch["image"]), Draws(self.seed, self.device)
        indices = dealt(batch, images_seen=self.images_seen, rank=self.trainer.global_rank, ranks=self.trainer.world_size).indices
        uniform = draws.uniform("disturbance", indices, self.disturbance.numbers)
        normal = draws.normal("disturbance/noise", indices, self.disturbance.normals(images.shape[-1]))
        return self.disturbance(images, batch["labels"], uniform, normal)

    def on_fit_start(self) -> None:
        """The average lives where the network lives; a finished run does not go on."""
        if self.images_seen >= self.schedule.total:
            raise VeraError(f"this run has seen {self.images_seen} images, images={self.schedule.total} are asked for: ask for more")
        self.network.to(memory_format=torch.channels_last)
        self.ema.network.to(self.device).to(memory_format=torch.channels_last)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of: the average, the count of images, and what the network is."""
        kind = type(self.network)
        networks = {"segmenter": {"class": f"{kind.__module__}.{kind.__qualname__}", "config": self.network.config}}
        state = {"stage": "parsing", "ema": self.ema.network.state_dict(), "images_seen": self.images_seen, "networks": networks}
        checkpoint["vera"] = state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore them."""
        self.ema.network.load_state_dict(checkpoint["vera"]["ema"])
        self.images_seen = int(checkpoint["vera"]["images_seen"])
