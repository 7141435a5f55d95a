"""Phases of an adversarial step, and what lazy regularisation does to learning rate and momenta."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vera.training.faces import Faces

Terms = dict[str, Tensor]
"""Scalars by name, means over the faces they were computed from."""


@dataclass(frozen=True)
class Phase:
    """One backward pass and one step of one side's optimizer.

    Attributes:
        name: for the log.
        trains: the side whose parameters move.
        every: run in every n-th step, its loss times n (lazy regularisation, Karras et al. 2020, section 3.1); 0 for never.
        shrink: run on the first 1/n of the batch.
        precise: in float32, without autocast, on networks that are not compiled: what is differentiated twice.
        loss: of a micro-batch, unweighted by ``every``, with what the log shows.
        begin: images seen before it runs.

    """

    name: str
    trains: str
    every: int
    shrink: int
    precise: bool
    loss: Callable[[Faces], tuple[Tensor, Terms]]
    begin: int = 0

    def due(self, images_seen: int, batch: int) -> bool:
        """Whether it runs in the step that starts at ``images_seen``; counted in images, so that a resume changes nothing."""
        return self.every > 0 and images_seen >= self.begin and (images_seen // batch) % self.every == 0


def lazy_optim(every: int, *, lr: float, betas: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Adam's learning rate and momenta where one more step is taken every n-th time: with ``c = n / (n + 1)``, ``c lr`` and ``β^c``.

    Args:
        every: n; 0 where there is no lazy phase.
        lr: without lazy regularisation.
        betas: likewise.

    """
    c = every / (every + 1) if every else 1.0
    return c * lr, (float(betas[0] ** c), float(betas[1] ** c))


def grouped_by_rate(network: nn.Module, trained: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, by the factor ``rate`` of the learning rate.

    Args:
        network: a part of it with an attribute ``learning_rate`` (a pretrained trunk) asks for that factor; 1 elsewhere.
        trained: its parameters that move.

    """
    rates: dict[int, float] = {}
    for part in network.modules():
        rate: Any = getattr(part, "learning_rate", None)
        if rate is not None:
            rates |= {id(parameter): float(rate) for parameter in part.parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in trained:
        groups.setdefault(rates.get(id(parameter), 1.0), []).append(parameter)
    return [{"params": parameters, "rate": rate} for rate, parameters in groups.items()]
