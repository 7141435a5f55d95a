"""The most memory that a function has in use at once, beyond what was in use before it.

On a GPU torch keeps that count. On a CPU the profiler reports every allocation and release of torch's allocator, tensors and the
operators' own buffers alike; summed up in order they give the bytes in use at each moment. What libraries allocate by themselves
(oneDNN's scratchpads) is not seen, on either side of a comparison.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import accumulate

import torch
from torch.profiler import ProfilerActivity, profile


def peak_bytes(function: Callable[[], object], device: torch.device) -> int:
    """Peak of the bytes in use during one call, relative to its beginning.

    Args:
        function: what is measured.
        device: whose memory.

    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]" and event.device_type() == torch.autograd.DeviceType.CPU
    ]
    return max(accumulate((size for _, size in sorted(changes, key=lambda change: change[0])), initial=0))
