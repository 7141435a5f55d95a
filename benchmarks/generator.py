"""Speed and memory of generator, discriminator and stage 1's training iteration; see README.md.

python -m benchmarks.generator [--size 256] [--classes 13] [--batch 1] [--against reference] [--device cuda] [--precision bf16] [--compile]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory import peak_bytes
from benchmarks.networks import configuration, ours, published
from benchmarks.operations import flops, seconds_in_products
from benchmarks.provenance import provenance
from benchmarks.timing import interleaved, matrix_product
from vera.data.sample import Sample
from vera.training.module import StageModule, complete_gradients
from vera.training.objectives.base import Faces, Phase
from vera.training.objectives.gan import NETWORKS
from vera.types import LatentCodes

RESULTS = Path(__file__).with_name("results.jsonl")
OURS, REFERENCE = "vera", "reference"
Numbers = Mapping[str, Mapping[str, float]]
"""By network and unit."""


class Pair:
    """One pair of networks, and what is measured of it; every method is one call.

    Args:
        module: the training module that holds them.
        faces: a batch.
        bf16: autocast, except where the training module forbids it.

    """

    def __init__(self, module: StageModule, faces: Faces, *, bf16: bool) -> None:
        self.module, self.objective, self.faces, self.bf16 = module, module.objective, faces, bf16
        self.optimizers = dict(zip(NETWORKS, module.configure_optimizers(), strict=True))
        self.z = torch.randn(len(faces), self.objective.generator.latent, device=self.objective.path_mean.device)

    def forward(self) -> None:
        """Noise to image and segmentation."""
        with torch.no_grad(), self._precision():
            self._synthesise()

    def both_ways(self) -> None:
        """Generator and discriminator, forward and backward to all weights of both."""
        self._clear()
        with self._precision():
            made = self._synthesise()
            logits = self.objective._fast["discriminator"](made.image, made.segmentation)
        logits.float().sum().backward()

    def local(self) -> None:
        """Local generators and composition, forward and backward."""
        self._clear()
        layers = self.objective.generator.expand(self._codes())
        with self._precision():
            coarse, probabilities = local_part(self.objective.generator, layers)
        (coarse.float().sum() + probabilities.float().sum()).backward()

    def phase(self, phase: Phase) -> None:
        """A phase of an iteration: what :class:`StageModule` does in it, less its logs and its reductions over processes."""
        optimizer = self.optimizers[phase.trains]
        optimizer.zero_grad()
        with self.module._only(phase.trains):
            with self._precision(precise=phase.precise):
                loss, _ = phase.loss(self.faces[: len(self.faces) // phase.shrink or 1])
            (loss * phase.every).backward()
        complete_gradients(self.module.trained[phase.trains])
        optimizer.step()

    def average(self) -> None:
        """The step of the generator's average, which ends an iteration."""
        self.module.ema.update(self.objective.generator, images=len(self.faces), images_seen=len(self.faces))

    def _codes(self) -> LatentCodes:
        return self.objective.generator.map(self.z, {})

    def _synthesise(self) -> Any:
        codes = self._codes()
        return self.objective._fast["generator"](self.objective.generator.expand(codes), codes.attributes)

    def _precision(self, *, precise: bool = False) -> Any:
        wanted = self.bf16 and not precise
        return torch.autocast(self.z.device.type, torch.bfloat16) if wanted else nullcontext()

    def _clear(self) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()


def local_part(generator: Any, layers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Coarse map and coarse segmentation of either generator."""
    if hasattr(generator, "local_nets"):
        return generator.local(layers)
    return generator._compose(layers, layers.new_zeros(len(layers), 0))


def main() -> int:
    """Measure, report, and publish if asked."""
    chosen = arguments()
    device = torch.device(chosen.device)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    stage = configuration(
        size=chosen.size, classes=chosen.classes, narrow=chosen.narrow, compiled=chosen.compile, checkpointing=chosen.checkpointing
    )
    faces = made_up(chosen.batch, chosen.size, chosen.classes, device)
    dtype = {"float32": torch.float32, "bf16": torch.bfloat16}[chosen.precision]
    pairs = {OURS: Pair(ours(stage, device), faces, bf16=dtype == torch.bfloat16)}
    if chosen.against:
        pairs[REFERENCE] = Pair(published(stage, device), faces, bf16=False)

    described = {
        "size": chosen.size, "classes": chosen.classes, "batch": chosen.batch, "narrow": chosen.narrow, "precision": chosen.precision,
        "compiled": chosen.compile, "checkpointing": chosen.checkpointing, **provenance(device),
    }  # fmt: skip
    lines: list[dict[str, Any]] = []

    def tell(measure: str, network: str, **numbers: Any) -> None:
        lines.append({"measure": measure, "network": network, **numbers, **described})
        sys.stdout.write(json.dumps(lines[-1]) + "\n")
        sys.stdout.flush()

    def race(measure: str, call: Callable[[Pair], Any]) -> dict[str, dict[str, float]]:
        calls = {name: (lambda one=one: call(one)) for name, one in pairs.items()}
        numbers = {name: times.summary() for name, times in interleaved(calls, repeats=chosen.repeats, device=device).items()}
        for name, found in numbers.items():
            tell(measure, name, **found)
        return numbers

    forward = race("forward", Pair.forward)
    race("forward and backward", Pair.both_ways)
    iteration = {name: {"seconds": 0.0, "cpu_seconds": 0.0, "flops": 0.0} for name in pairs}
    for number, phase in enumerate(pairs[OURS].objective.phases):
        for name, found in race(f"phase {phase.name}", lambda one, number=number: one.phase(one.objective.phases[number])).items():
            one = pairs[name]
            found["flops"] = flops(lambda one=one, number=number: one.phase(one.objective.phases[number]))
            for unit in iteration[name]:
                iteration[name][unit] += found[unit] / phase.every
    for name, found in race("average", Pair.average).items():
        for unit in ("seconds", "cpu_seconds"):
            iteration[name][unit] += found[unit]
        numbers = {unit: round(number, 5) for unit, number in iteration[name].items()}
        tell("training iteration", name, **numbers, images_per_second=round(chosen.batch / numbers["seconds"], 4))
    best = matrix_product(device, dtype)
    tell("matrix product", "none", flops_per_second=round(best))
    if device.type == "cpu" and torch.get_num_threads() == 1:
        for measure, call in (("forward", Pair.forward), ("forward and backward", Pair.both_ways)):
            once = partial(call, pairs[OURS])
            asked, (inside, everything) = flops(once), seconds_in_products(once)
            shares = {"share_of_the_time": inside / everything, "share_of_the_matrix_product": asked / inside / best}
            tell(f"convolutions of {measure}", OURS, seconds=round(inside, 5), **{name: round(share, 4) for name, share in shares.items()})

    memory = {}
    for name, one in pairs.items():
        memory[name] = peak_bytes(one.local, device)
        tell("memory of the local generators", name, peak_bytes=memory[name])
        phases = {phase.name: peak_bytes(lambda one=one, phase=phase: one.phase(phase), device) for phase in one.objective.phases}
        tell("memory of an iteration", name, peak_bytes=max(phases.values()), phases=phases)

    if chosen.publish:
        with RESULTS.open("a") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)
    sys.stdout.write(json.dumps({"summary": ratios(forward, iteration, memory)}) + "\n")
    return 0


def ratios(forward: Numbers, iteration: Numbers, memory: Mapping[str, int]) -> dict[str, float | None]:
    """How many times faster than the reference, and our peak over the reference's; None where it did not run."""

    def faster(numbers: Numbers) -> float | None:
        return round(numbers[REFERENCE]["seconds"] / numbers[OURS]["seconds"], 3) if REFERENCE in numbers else None

    share = round(memory[OURS] / memory[REFERENCE], 4) if REFERENCE in memory else None
    return {"forward": faster(forward), "training_iteration": faster(iteration), "local_memory": share}


def made_up(batch: int, size: int, classes: int, device: torch.device) -> Faces:
    """Faces of random numbers: what a step costs does not depend on them."""
    image = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    labels = torch.randint(0, classes, (batch, size, size), dtype=torch.uint8)
    return Faces(Sample(image=image.to(device), labels=labels.to(device)), range(batch))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, choices=(64, 128, 256, 512))
    parser.add_argument("--classes", type=int, default=13)
    parser.add_argument("--batch", type=int, default=1, help="1 to 3, or a multiple of 4 (default 1)")
    parser.add_argument("--against", choices=(REFERENCE,), help="also measure the plain network of tests/reference, in turns")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="float32", choices=("float32", "bf16"), help="of ours; the reference stays float32")
    parser.add_argument("--compile", action="store_true", help="torch.compile for ours")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations of ours")
    parser.add_argument("--threads", type=int, help="of torch on the CPU")
    parser.add_argument("--repeats", type=int, default=3, help="calls that count, after one that does not")
    parser.add_argument("--narrow", type=int, default=1, help="divide all widths by this (for tests)")
    parser.add_argument("--publish", action="store_true", help="append the lines to results.jsonl beside this script")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
