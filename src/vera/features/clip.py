"""CLIP's image encoder from an ONNX file, for the CMMD."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vera.features.onnx_network import translated
from vera.features.pooled import PooledFeatures, as_bytes
from vera.types import VeraError

MEAN, SCALE = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""What CLIP's encoder was trained on (Radford et al., 2021): images in [0, 1] minus the mean, over the scale."""


class ClipFeatures(PooledFeatures):
    """The image encoder of CLIP, exported to ONNX: one vector an image, before it is brought to length 1.

    Args:
        path: path of the ONNX file, whose input is ``(B, 3, side, side)`` and whose first output is ``(B, D)``.
        side: side of the images that the encoder takes; 336 for ViT-L/14@336, on which the CMMD was published.

    Raises:
        VeraError: no such file, it cannot be translated, or it gives no vectors.

    """

    short = "clip"

    def __init__(self, path: str | Path, *, side: int = 336) -> None:
        super().__init__()
        self.network, _ = translated(path)
        self.side = side
        self.name = f"CLIP image encoder '{Path(path).stem}', bicubic antialiased to {side}, 8 bit"
        try:
            tried = self._outcome(torch.zeros(1, 3, side, side))
        except (RuntimeError, ValueError, TypeError) as error:
            raise VeraError(f"'{path}' takes no image of {side} pixels ({error}): set the side that it was exported for") from error
        if tried.ndim != 2:
            raise VeraError(f"'{path}' gives {tuple(tried.shape)}, not one vector an image: export the image encoder with its projection")
        self.dimension = int(tried.shape[1])

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """One vector an image; images in [-1, 1], rounded to 8 bits as a file would be."""
        return self._outcome(images)

    @torch.no_grad()
    def _outcome(self, images: Tensor) -> Tensor:
        rounded = as_bytes(images).float() / 255
        resized = F.interpolate(rounded, (self.side, self.side), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
        mean, scale = (resized.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, SCALE))
        found = self.network((resized - mean) / scale)
        vectors: Tensor = found[0] if isinstance(found, (list, tuple)) else found
        return vectors
