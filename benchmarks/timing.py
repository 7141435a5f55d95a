"""Seconds of several functions that are to be compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch


@dataclass
class Times:
    """Of the calls of one function.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of this process on all cores; on a machine that others use, too, the steadier number.

    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float | int]:
        """Medians, fastest and slowest call, and their number."""
        numbers = {
            "seconds": statistics.median(self.wall),
            "fastest": min(self.wall),
            "slowest": max(self.wall),
            "cpu_seconds": statistics.median(self.cpu),
        }
        return {name: round(value, 5) for name, value in numbers.items()} | {"repeats": len(self.wall)}


def interleaved(functions: Mapping[str, Callable[[], object]], *, repeats: int, device: torch.device) -> dict[str, Times]:
    """Time functions in turns (a, b, a, b, ...), so that whatever else the machine does hits all of them alike.

    Args:
        functions: by name; each is called once more, before its times count.
        repeats: calls of each.
        device: waited for before each reading of the clock.

    Returns:
        Times by name.

    """
    times = {name: Times() for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            _finish(device)
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            _finish(device)
            if turn:
                times[name].wall.append(time.perf_counter() - wall)
                times[name].cpu.append(time.process_time() - cpu)
    return times


def matrix_product(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product: what the device can do at best, as a yardstick."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    times = interleaved({"": lambda: a @ b}, repeats=20, device=device)[""]
    return 2 * side**3 / min(times.wall)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
