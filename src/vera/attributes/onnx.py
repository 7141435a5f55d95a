"""Any published network as an attribute encoder: an ONNX file, made differentiable through onnx2torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.attributes.encoder import AttributeEncoder
from vera.types import VeraError


class OnnxEncoder(AttributeEncoder):
    """An ONNX network on a box of the aligned face: an identity embedding (ArcFace), an expression's (HSEmotion), a pose (6DRepNet).

    Args:
        path: of the file.
        size: side of its input.
        mean: of its input, for R, G, B in 0 … 255.
        std: likewise.
        output: name of the output that counts.
        box: ``left, top, right, bottom`` of the face that it looks at, in sides of the aligned crop; what lies outside is grey.

    Raises:
        VeraError: no such file, no such output, onnx2torch is not installed or cannot translate the network.

    """

    quantities = ()
    mean: Tensor
    std: Tensor

    def __init__(
        self, *, path: str | Path, size: int, mean: Sequence[float], std: Sequence[float], output: str, box: Sequence[float] = (0, 0, 1, 1)
    ) -> None:
        super().__init__()
        self.size, self.box = size, [float(edge) for edge in box]
        self.network, outputs = translated(path)
        if output not in outputs:
            raise VeraError(f"'{path}' has the outputs {', '.join(outputs)}, not '{output}': name one of them")
        self._output = outputs.index(output)
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.eval().requires_grad_(False)
        with torch.no_grad():
            self.width = int(self.embed(torch.zeros(1, 3, size, size)).shape[1])

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """The network's output, flattened; the segmentation takes no part."""
        return self.embed(images)

    def embed(self, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b v"]:
        """Likewise, from images in [-1, 1] alone."""
        seen = cut(images, self.box, self.size or images.shape[-1])
        made = self.network(((seen + 1) * 127.5 - self.mean) / self.std)
        chosen: Tensor = made[self._output] if isinstance(made, (tuple, list)) else made
        return chosen.flatten(1)


def translated(path: str | Path) -> tuple[nn.Module, list[str]]:
    """An ONNX file as a frozen torch module, and the names of its outputs.

    Raises:
        VeraError: see :class:`OnnxEncoder`.

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


def cut(images: Float[Tensor, "b 3 h w"], box: Sequence[float], size: int) -> Float[Tensor, "b 3 s s"]:
    """A box of each image at another size, differentiable; antialiased where it shrinks.

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
