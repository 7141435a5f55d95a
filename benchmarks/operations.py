"""How many floating-point operations a function asks for, and which part of its time goes into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class _Counter(TorchDispatchMode):
    """Convolutions and matrix products, forward and backward; torch's own FlopCounterMode can't count inside autograd.grad."""

    total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        operations = flop_registry.get(function._overloadpacket)
        if operations is not None:
            self.total += operations(*args, **(kwargs or {}), out_val=result)
        return result


def flops(call: Callable[[], object]) -> int:
    """Floating-point operations of convolutions and matrix products in one call; a multiplication and an addition are two."""
    with torch.autograd.set_multithreading_enabled(False), _Counter() as counter:
        call()
    return counter.total


PRODUCTS = ("conv", "mm", "linear", "matmul")
"""Parts of the names of torch's operators that are convolutions and matrix products, forward and backward."""


def seconds_in_products(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds on one CPU thread in convolutions and matrix products, and in all operators, of one call.

    Operators that only hand on to others have no time of their own, so nothing is counted twice. Copies into the layout that a
    convolution wants are not its time.
    """
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        call()
    own = {event.key: event.self_cpu_time_total / 1e6 for event in profiler.key_averages()}
    products = sum(seconds for name, seconds in own.items() if name.startswith("aten::") and any(part in name for part in PRODUCTS))
    return products, sum(own.values())
