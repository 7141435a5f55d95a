"""Use a published ONNX network as an attribute encoder, made differentiable by onnx2torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vera.attributes.encoder import AttributeEncoder
from vera.features.onnx_network import cut, translated
from vera.types import VeraError


class OnnxEncoder(AttributeEncoder):
    """Attribute encoder from an ONNX network that sees a box of the aligned face (ArcFace, HSEmotion, 6DRepNet ...).

    Args:
        path: path of the ONNX file.
        size: side of its input.
        mean: mean of the network's input for R, G, B, in 0 … 255.
        std: standard deviation of the network's input for R, G, B, in 0 … 255.
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
        """The network's output for images in [-1, 1], flattened."""
        seen = cut(images, self.box, self.size or images.shape[-1])
        made = self.network(((seen + 1) * 127.5 - self.mean) / self.std)
        chosen: Tensor = made[self._output] if isinstance(made, (tuple, list)) else made
        return chosen.flatten(1)
