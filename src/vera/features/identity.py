"""Differentiable identity distance of two faces, by an ONNX face recogniser translated by onnx2torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.onnx_network import cut, translated


class OnnxIdentity(nn.Module):
    """One minus the cosine of a frozen recogniser's embeddings (ArcFace and its like).

    Args:
        path: path of the ONNX file, whose first output is the embedding.
        size: side of its input.
        mean: mean of the network's input for R, G, B, in 0 … 255.
        std: standard deviation of the network's input for R, G, B, in 0 … 255.
        box: ``left, top, right, bottom`` of the face that it looks at, in sides of the aligned crop; what lies outside is grey.

    Raises:
        VeraError: no such file, onnx2torch is not installed or cannot translate the network.

    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, *, path: str | Path, size: int, mean: Sequence[float], std: Sequence[float], box: Sequence[float] = (0.0, 0.0, 1.0, 1.0)
    ) -> None:
        super().__init__()
        self.size, self.box = size, [float(edge) for edge in box]
        self.network, _ = translated(path)
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.eval()

    def train(self, mode: bool = True) -> OnnxIdentity:
        """Stay in eval mode."""
        return super().train(False)

    def embed(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b v"]:
        """Embeddings of aligned faces in [-1, 1], of unit length."""
        seen = cut(images, self.box, self.size)
        made = self.network(((seen + 1) * 127.5 - self.mean) / self.std)
        first: Tensor = made[0] if isinstance(made, (tuple, list)) else made
        return F.normalize(first.flatten(1), dim=1)

    def forward(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b"]:
        """Distance of each pair, 0 for one face to 2; no gradient flows into ``b``, the target."""
        with torch.no_grad():
            target = self.embed(b)
        return 1 - (self.embed(a) * target).sum(dim=1)
