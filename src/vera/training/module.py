"""The LightningModule of all stages (docs/architecture.md#contract-4, #contract-5, #contract-6), and its check for finite losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from vera.data.sample import Sample
from vera.moved import STORED
from vera.rng import Draws
from vera.training.ema import EMA
from vera.training.objectives.base import Faces, Objective, Phase, Terms, dealt, require_whole_groups
from vera.training.schedule import Schedule
from vera.types import VeraError

OWN = "objective."
"""Prefix of the objective's tensors in this module; in a checkpoint it is :data:`vera.moved.STORED`."""


class StageModule(pl.LightningModule):
    """LightningModule that runs an objective. One step: each due phase (micro-batches, optimizer step), count images, EMA, state.

    Args:
        objective: training objective: networks and losses of the phases.
        optim: ``lr``, ``betas`` and ``eps`` of each network's Adam, before they are rescaled for lazy regularisation.
        schedule: schedule of the learning rate, which also says where the run ends.
        ema: ``half_life`` and ``ramp_up`` of the average of the objective's ``averaged`` network, which becomes the bundle.
        clip: largest gradient norm, for objectives in which single faces have a very large loss; None for no limit.
        per_device: faces that a device takes through the networks at once; gradients of its share of the batch are accumulated.
            None for the whole share.
        seed: seed of all random numbers of the run.

    """

    def __init__(
        self,
        *,
        objective: Objective,
        optim: Mapping[str, Any],
        schedule: Schedule,
        ema: Mapping[str, float],
        per_device: int | None,
        seed: int,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.objective, self.optim, self.schedule = objective, dict(optim), schedule
        self.per_device, self.seed, self.clip = per_device, seed, clip
        self.ema = EMA(objective.averaged, **ema)
        # What is frozen when the run begins (a projected discriminator's features) stays so.
        self.trained = {name: [p for p in network.parameters() if p.requires_grad] for name, network in objective.networks.items()}
        self.rates: dict[str, float] = {}
        self.latest: Terms = {}
        self.images_seen = 0
        self.in_step = False  # True during a step: weights, EMA and counters are inconsistent, so no checkpoint may be written

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One Adam for each network, rescaled for its lazy phase."""
        optimizers: list[torch.optim.Optimizer] = []
        for name, network in self.objective.networks.items():
            lazy = max((phase.every for phase in self.objective.phases if phase.trains == name and phase.every > 1), default=0)
            self.rates[name], betas = lazy_optim(lazy, lr=self.optim["lr"], betas=self.optim["betas"])
            groups = grouped_by_rate(network, self.trained[name], equal=self.objective.equal_rates)
            optimizers.append(torch.optim.Adam(groups, lr=self.rates[name], betas=betas, eps=self.optim["eps"]))
        return optimizers

    def training_step(self, batch: Sample, batch_idx: int) -> None:
        """One step; stops the run before a non-finite loss or gradient reaches the weights."""
        self.in_step = True
        faces = dealt(batch, images_seen=self.images_seen, rank=self.trainer.global_rank, ranks=self.trainer.world_size)
        count = len(faces) * self.trainer.world_size
        terms: Terms = {}
        for phase in self.objective.phases:
            if phase.due(self.images_seen, count):
                terms |= self._run(phase, faces[: len(faces) // phase.shrink or 1])

        self.images_seen += count
        self.ema.update(self.objective.averaged, images=count, images_seen=self.images_seen)
        self.objective.on_step_end(terms, images=count)
        self.in_step = False
        if self.images_seen >= self.schedule.total:
            self.trainer.should_stop = True
        self._log(terms, step=self.images_seen // count)

    def _run(self, phase: Phase, faces: Faces) -> Terms:
        """One phase: accumulate over micro-batches, check, step. Returns its terms, means over all processes."""
        optimizers: Any = self.optimizers()
        optimizer = optimizers[list(self.trained).index(phase.trains)] if len(self.trained) > 1 else optimizers
        for group in optimizer.param_groups:
            group["lr"] = self.rates[phase.trains] * self._factor() * group["rate"]
        optimizer.zero_grad()
        parts = faces.micro_batches(self.per_device)
        total: Terms = {}
        with self._only(phase.trains):
            for number, part in enumerate(parts):
                with self._precision(phase), self._reduction(last=number == len(parts) - 1):
                    loss, terms = phase.loss(part)
                    share = len(part) / len(faces)
                    self.manual_backward(loss * (share * phase.every))
                for name, value in {f"loss/{phase.name}": loss, **terms}.items():
                    total[name] = total.get(name, 0) + share * value.detach()
        norm = complete_gradients(self.trained[phase.trains])  # reduced already: the same in every process
        means: Any = self.trainer.strategy.reduce(torch.stack(list(total.values())), reduce_op="mean")
        reduced = dict(zip(total, means, strict=True))
        require_finite(reduced[f"loss/{phase.name}"], f"loss of the {phase.name} phase", images_seen=self.images_seen)
        require_finite(norm, f"gradient of the {phase.name} phase", images_seen=self.images_seen)
        if self.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.trained[phase.trains], self.clip, norm)
        optimizer.step()
        return {**reduced, f"gradient/{phase.name}": norm}

    def _log(self, terms: Terms, *, step: int) -> None:
        """Every n-th step and after the last, at the images seen: what each phase said when it ran last."""
        self.latest |= terms
        if step % getattr(self.trainer, "log_every_n_steps", 1) == 0 or self.trainer.should_stop:
            values = dict(zip(self.latest, torch.stack([value.float() for value in self.latest.values()]).tolist(), strict=True))
            strength = {"augmentation/strength": self.objective.strength.strength} if self.objective.strength else {}
            for logger in self.trainer.loggers:
                logger.log_metrics({**values, **strength, "lr": self.optim["lr"] * self._factor()}, step=self.images_seen)

    def _factor(self) -> float:
        return self.schedule.factor(self.images_seen)

    @contextmanager
    def _only(self, network: str) -> Iterator[None]:
        """Enable gradients for this network's parameters alone."""
        for name, parameters in self.trained.items():
            for parameter in parameters:
                parameter.requires_grad_(name == network)
        yield
        for parameter in (p for parameters in self.trained.values() for p in parameters):
            parameter.requires_grad_()

    @contextmanager
    def _precision(self, phase: Phase) -> Iterator[None]:
        # The cache of autocast knows nothing of steps: it would hand a later phase the weights of an earlier one.
        torch.clear_autocast_cache()
        with torch.autocast(self.device.type, enabled=False) if phase.precise else nullcontext():
            yield

    def _reduction(self, *, last: bool) -> Any:
        """Only the last of several backward passes reduces the gradients."""
        strategy: Any = self.trainer.strategy
        return nullcontext() if last or self.trainer.world_size == 1 else strategy.block_backward_sync()

    def on_fit_start(self) -> None:
        """The average and the random numbers live where the networks live, in their precision; a finished run does not go on."""
        if self.images_seen >= self.schedule.total:
            raise VeraError(f"this run has seen {self.images_seen} images, images={self.schedule.total} are asked for: ask for more")
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        require_whole_groups(data.batch_size // self.trainer.world_size, self.per_device, self.objective.group)
        dtype: Any = self.dtype
        self.ema.network.to(self.device, dtype)
        self.objective.draws = Draws(self.seed, self.device, dtype)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the EMA, the number of images, the objective's state and the networks' configurations to Lightning's checkpoint."""
        checkpoint["state_dict"] = _renamed(checkpoint["state_dict"], OWN, STORED)
        networks = {}
        for name, network in self.objective.networks.items():
            described: Any = network
            networks[name] = {"class": f"{type(network).__module__}.{type(network).__qualname__}", "config": described.config}
        state = {"stage": self.objective.stage, "ema": self.ema.network.state_dict(), "images_seen": self.images_seen, "networks": networks}
        checkpoint["vera"] = {**state, "strength": self.objective.strength.state_dict() if self.objective.strength else None}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of networks and optimizers, also from a checkpoint of the parser's own module, which this one has replaced."""
        _modernise(checkpoint)
        checkpoint["state_dict"] = _renamed(checkpoint["state_dict"], STORED, OWN)
        self.ema.network.load_state_dict(checkpoint["vera"]["ema"])
        self.images_seen = int(checkpoint["vera"]["images_seen"])
        strength = checkpoint["vera"]["strength"]
        if (strength is None) != (self.objective.strength is None):
            raise VeraError("the checkpoint was trained with another augmentation: choose the same (none or adaptive) to go on")
        if self.objective.strength is not None:
            self.objective.strength.load_state_dict(strength)


def require_finite(value: Tensor, what: str, *, images_seen: int) -> None:
    """Stop before the step unless a loss or a norm is finite.

    Args:
        value: loss or gradient norm, a scalar.
        what: name of the value in the message.
        images_seen: images that the run has seen.

    Raises:
        VeraError: it is not.

    """
    if not bool(torch.isfinite(value)):
        raise VeraError(
            f"the {what} is {float(value.detach())} after {images_seen} images; no step was taken: start a run with a "
            "lower optim.lr, from a bundle of the last checkpoint if need be"
        )


def complete_gradients(parameters: Iterable[torch.nn.Parameter]) -> Tensor:
    """Give parameters that a loss does not reach a gradient of zero, and return the norm of all gradients.

    Adam passes over a parameter without a gradient, and whether there is none or one of zeros depends on the number of processes
    and on what ran before; so it is always zeros.

    Args:
        parameters: parameters of one optimizer.

    """
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return torch.nn.utils.get_total_norm(gradients)


def lazy_optim(every: int, *, lr: float, betas: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Adam's learning rate and momenta where one more step is taken every n-th time: with ``c = n / (n + 1)``, ``c lr`` and ``β^c``.

    Args:
        every: n; 0 where there is no lazy phase.
        lr: learning rate without lazy regularisation.
        betas: Adam's momenta without lazy regularisation.

    """
    c = every / (every + 1) if every else 1.0
    return c * lr, (float(betas[0] ** c), float(betas[1] ** c))


def grouped_by_rate(network: nn.Module, trained: Sequence[nn.Parameter], *, equal: bool = False) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, by the factor ``rate`` of the learning rate.

    Args:
        network: a part of it with an attribute ``learning_rate`` (a pretrained trunk) asks for that factor; 1 elsewhere.
        trained: its parameters that move.
        equal: one rate for all of them, whatever they ask for.

    """
    rates: dict[int, float] = {}
    for part in () if equal else network.modules():
        rate: Any = getattr(part, "learning_rate", None)
        if rate is not None:
            rates |= {id(parameter): float(rate) for parameter in part.parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in trained:
        groups.setdefault(rates.get(id(parameter), 1.0), []).append(parameter)
    return [{"params": parameters, "rate": rate} for rate, parameters in groups.items()]


def _renamed(tensors: Mapping[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """Tensors with another prefix of their names, where they have the old one."""
    return {new + name.removeprefix(old) if name.startswith(old) else name: tensor for name, tensor in tensors.items()}


def _modernise(checkpoint: dict[str, Any]) -> None:
    """Bring a checkpoint of the parser's earlier module into this one's form: its tensors had no prefix, its optimizer no rates."""
    if checkpoint["vera"]["stage"] != "parsing" or "strength" in checkpoint["vera"]:
        return
    checkpoint["vera"]["strength"] = None
    checkpoint["state_dict"] = {f"{STORED}{name}": tensor for name, tensor in checkpoint["state_dict"].items()}
    for state in checkpoint["optimizer_states"]:
        for group in state["param_groups"]:
            group["rate"] = 1.0
