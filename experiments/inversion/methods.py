"""The ways into the latent space that are compared, and what each gives."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from cases import Cases
from plain import optimise
from torch import Tensor

from vera.features.perceptual import PerceptualDistance
from vera.generator.network import Generator, Synthesis
from vera.inversion.objective import InversionObjective
from vera.inversion.pivotal import tune
from vera.inversion.refinement import REFINEMENT, Moving, refine
from vera.types import LatentCodes

TUNING_RATE, TUNING_LIMIT = 5e-3, 0.05


@dataclass(frozen=True)
class Method:
    """One way.

    Attributes:
        name: in the table.
        encoded: start from the encoder; else from the mean code.
        steps: of refinement.
        axes: along the bundle's axes; else on the numbers of the codes as they are, as is usual.
        tuned: steps of pivotal tuning after it.
        together: the renderer is tuned in the same steps, in the place of after them.
        published: see :mod:`plain`; it knows no segmentation loss.

    """

    name: str
    encoded: bool
    steps: int
    axes: bool = True
    tuned: int = 0
    together: bool = False
    published: bool = False


METHODS = (
    Method("published optimisation 200", encoded=False, steps=200, axes=False, published=True),
    Method("published optimisation 400", encoded=False, steps=400, axes=False, published=True),
    *(Method(f"optimisation {steps}", encoded=False, steps=steps, axes=False) for steps in (5, 10, 20, 50, 100, 200, 400)),
    Method("optimisation 400, axes", encoded=False, steps=400),
    Method("optimisation 400, renderer too", encoded=False, steps=400, together=True),
    Method("encoder", encoded=True, steps=0),
    Method("encoder + 10", encoded=True, steps=10),
    Method("encoder + 20", encoded=True, steps=20),
    Method("encoder + 50, no axes", encoded=True, steps=50, axes=False),
    Method("encoder + 50", encoded=True, steps=50),
    Method("encoder + 100", encoded=True, steps=100),
    Method("encoder + 50, renderer too", encoded=True, steps=50, together=True),
    Method("encoder + 50, pivotal 50", encoded=True, steps=50, tuned=50),
)


@dataclass(frozen=True)
class Made:
    """What a method gives for all cases.

    Attributes:
        method: its name.
        segmentation_loss: whether the objective had the segmentation term.
        images: ``(N, 3, S, S)``.
        segmentations: ``(N, K, S, S)`` in 2p - 1, the generator's own.
        codes: ``(N, R, D)``.
        seconds: for one photograph, in batches of :attr:`batch`, see :func:`clock`.
        batch: photographs at once.

    """

    method: str
    segmentation_loss: bool
    images: Tensor
    segmentations: Tensor
    codes: Tensor
    seconds: float
    batch: int


def invert(network: Any, cases: Cases, method: Method, *, segmentation_loss: bool, batch: int, device: str) -> Made:
    """All cases by one method; an unmeasured run of the first batch comes before the clock starts."""
    weights = REFINEMENT if segmentation_loss else replace(REFINEMENT, segmentation=0.0)
    objective = InversionObjective(weights=weights, perceptual=PerceptualDistance()).to(device)
    parts: list[Sequence[Tensor]] = []
    brief = replace(method, steps=min(method.steps, 2), tuned=min(method.tuned, 2))
    _one(network, next(cases.batches(batch)), brief, objective, device)
    seconds = 0.0
    for given in cases.batches(batch):
        start = clock(device)
        made, codes = _one(network, given, method, objective, device)
        seconds += clock(device) - start
        parts.append((made.image.cpu(), made.segmentation.cpu(), codes.local.cpu()))
    images, segmentations, codes_found = (torch.cat(part) for part in zip(*parts, strict=True))
    return Made(method.name, segmentation_loss, images, segmentations, codes_found, seconds / len(images), batch)


def _one(
    network: Any, given: tuple[Tensor, Tensor], method: Method, objective: InversionObjective, device: str
) -> tuple[Synthesis, LatentCodes]:
    images, segmentations = (part.to(device) for part in given)
    with torch.no_grad():
        codes = network.encode(images, segmentations) if method.encoded else _mean(network, len(images))
    generator: Generator = network.generator
    if method.published:
        codes = optimise(network, images, codes, perceptual=objective.perceptual, steps=method.steps)
    elif method.steps and not method.together:
        codes = refine(network, images, segmentations, codes, objective=objective, steps=method.steps, axes=_axes(network, method))
    if method.tuned or method.together:
        # Each photograph has a copy of its own; one shared by a batch would be pulled in several directions.
        alone = [(images[n : n + 1], segmentations[n : n + 1], _part(codes, n)) for n in range(len(images))]
        found, made = zip(*(_tuned(network, *one, objective, method) for one in alone), strict=True)
        joined = LatentCodes(torch.cat([one.local for one in found]), torch.cat([one.attributes for one in found]))
        return Synthesis(*(torch.cat(part) for part in zip(*made, strict=True))), joined
    with torch.no_grad():
        return generator(codes), codes


def _tuned(
    network: Any, image: Tensor, segmentation: Tensor, codes: LatentCodes, objective: InversionObjective, method: Method
) -> tuple[LatentCodes, Synthesis]:
    options = {"steps": method.tuned or method.steps, "rate": TUNING_RATE, "limit": TUNING_LIMIT}
    given = Moving(codes, rate=None, axes=_axes(network, method)) if method.together else codes
    found, tuned = tune(network, image, segmentation, given, objective=objective, **options)
    with torch.no_grad():
        made: Synthesis = tuned(found)
    return found, made


def _axes(network: Any, method: Method) -> Tensor | None:
    return network.axes if method.axes else None


def _part(codes: LatentCodes, number: int) -> LatentCodes:
    return codes.map(lambda whole: whole[number : number + 1])


def _mean(network: Any, count: int) -> LatentCodes:
    local = network.mean.expand(count, -1, -1).clone()
    return LatentCodes(local, network.generator.no_attributes(count, local))


def clock(device: str) -> float:
    """Seconds: of a GPU as they pass; of a CPU those that this process computed, so that what else runs on the machine does not count."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
