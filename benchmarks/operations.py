"""How many floating-point operations a function asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
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
