"""What more GPUs bring, on paper: a step that is computed, gradients that are all-reduced in a ring, faces that have to be loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """How GPUs reach each other.

    Attributes:
        node: GPUs in a machine.
        within: bytes a second that a GPU sends to another one of its machine, in one direction.
        between: likewise to another machine: its share of the machine's network.
        latency: seconds of one hop, whatever is sent.

    """

    node: int
    within: float
    between: float
    latency: float

    def slowest(self, gpus: int) -> float:
        """Bandwidth of the slowest link of a ring of so many GPUs: a ring is as fast as that."""
        return self.within if gpus <= self.node else min(self.within, self.between)


@dataclass(frozen=True)
class Step:
    """One training step as one GPU does it.

    Attributes:
        images: faces of the step on this GPU.
        seconds: of computing, without any communication.
        volume: bytes of gradients that are all-reduced.
        messages: all-reduces in which they go (DDP's buckets, of every backward pass).

    """

    images: int
    seconds: float
    volume: float
    messages: float


def all_reduce_seconds(volume: float, messages: float, gpus: int, cluster: Cluster) -> float:
    """A ring all-reduce: each GPU sends every part of the gradients on, ``2 (n - 1)`` times, an n-th of the volume each time."""
    hops = 2 * (gpus - 1)
    return hops / gpus * volume / cluster.slowest(gpus) + hops * messages * cluster.latency


def images_per_second(step: Step, gpus: int, cluster: Cluster, *, overlap: float) -> float:
    """Faces a second of all GPUs together, however fast they are loaded.

    Args:
        step: of one GPU.
        gpus: n; each does such a step.
        cluster: how they reach each other.
        overlap: communication is hidden under this share of the computing, 0 to 1; the rest of it is waited for.

    """
    exposed = all_reduce_seconds(step.volume, step.messages, gpus, cluster) - overlap * step.seconds
    return gpus * step.images / (step.seconds + max(exposed, 0.0))


def loaded_per_second(rate: float, workers: int, gpus: int) -> float:
    """Faces a second that ``workers`` loader processes for each GPU decode, at ``rate`` each, while the storage keeps up."""
    return rate * workers * gpus


def workers_needed(rate: float, wanted: float) -> float:
    """Loader processes for each GPU that takes ``wanted`` faces a second."""
    return wanted / rate


def cost(images: float, per_second: float, gpus: int, price: float) -> float:
    """What a run costs.

    Args:
        images: of the run.
        per_second: faces a second of all GPUs together.
        gpus: their number.
        price: of one GPU for an hour.

    """
    return images / per_second / 3600 * gpus * price
