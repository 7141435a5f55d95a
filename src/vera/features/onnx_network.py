"""Translate an ONNX network to a frozen, differentiable torch module, and cut the face crop that it sees."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.types import VeraError


def translated(path: str | Path) -> tuple[nn.Module, list[str]]:
    """Translate an ONNX file to a frozen torch module, with the names of its outputs.

    Raises:
        VeraError: no such file, onnx2torch is not installed or cannot translate the network.

    """
    if not Path(path).is_file():
        raise VeraError(f"no ONNX network at '{path}': give the path of the file")
    try:
        onnx, onnx2torch = import_module("onnx"), import_module("onnx2torch")
    except ImportError as error:
        raise VeraError("networks in ONNX files are made differentiable by onnx2torch: pip install onnx onnx2torch") from error
    try:
        described: Any = onnx.load(str(path))
        network: nn.Module = onnx2torch.convert(_as_known(described, onnx))
    except Exception as error:  # protobuf, onnx and onnx2torch each have their own, without a common base
        raise VeraError(f"'{path}' cannot be translated by onnx2torch ({error}): choose another network") from error
    return network.eval().requires_grad_(False), [output.name for output in described.graph.output]


def _as_known(described: Any, onnx: Any) -> Any:
    """Operator set 18 as 17, which onnx2torch knows, where all that changed between them is Pad's new input and nothing gives it."""
    own = next(entry for entry in described.opset_import if not entry.domain)
    if own.version == 18:
        changed = [n for n in described.graph.node if onnx.defs.get_schema(n.op_type, 18, n.domain).since_version == 18]
        if all(node.op_type == "Pad" and len(node.input) <= 3 for node in changed):
            own.version = 17
    return described


def cut(images: Float[Tensor, "b c h w"], box: Sequence[float | int], size: int) -> Float[Tensor, "b c s s"]:
    """Crop a box of each image and resize it, differentiable; antialiased where it shrinks.

    Args:
        images: any range in which 0 is grey.
        box: ``left, top, right, bottom`` in sides of the image; may reach outside.
        size: side of the result.

    """
    side = images.shape[-1]
    left, top, right, bottom = (round(edge * side) for edge in box)
    padded = F.pad(images, (max(-left, 0), max(right - side, 0), max(-top, 0), max(bottom - side, 0)))
    x, y = max(left, 0), max(top, 0)
    part = padded[..., y : y + bottom - top, x : x + right - left]
    return F.interpolate(part, (size, size), mode="bilinear", align_corners=False, antialias=True)
