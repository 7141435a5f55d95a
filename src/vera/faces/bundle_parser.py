"""Parse faces with a trained segmentation network from a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vera import bundle
from vera.faces.segmenter import STRIDE, Segmenter
from vera.types import AlignedFace, VeraError


class BundleParser:
    """Parser that runs the network of a :class:`~vera.faces.segmenter.Segmenter` bundle.

    Args:
        path: folder of the parser's bundle.
        device: device that the network runs on.
        side: every face is parsed at this size, a multiple of 16, so that results do not depend on the resolution asked for; None for
            the size that the network was trained at.

    Raises:
        VeraError: the bundle is missing, damaged or holds another network; or the side is no multiple of 16.

    """

    def __init__(self, path: Path | str, *, device: str = "cpu", side: int | None = None) -> None:
        loaded: Any = bundle.load(path, device=device)
        if not isinstance(loaded, Segmenter):
            raise VeraError(f"'{path}' is a bundle of {type(loaded).__name__}, not of a parser: name one exported from a parser's run")
        self.name = f"bundle-{bundle.read(path)['digest'][:12]}"
        self.network = loaded.to(memory_format=torch.channels_last)
        self.device, self.side = torch.device(device), loaded.size if side is None else side
        if self.side < STRIDE or self.side % STRIDE:
            raise VeraError(f"a parser's side of {self.side} pixels: choose a multiple of {STRIDE}")

    @torch.no_grad()
    def parse(self, face: AlignedFace) -> Tensor:
        """Class probabilities ``(13, S, S)``; see :meth:`vera.faces.parsing.Parser.parse`."""
        image = _resized(face.image.detach().float()[None].to(self.device), self.side)
        logits = self.network(image.clamp(-1, 1).contiguous(memory_format=torch.channels_last))
        if face.size >= self.side:  # logits of neighbours are nearer to what lies between them than their probabilities are
            return _resized(logits, face.size).softmax(dim=1)[0].cpu()
        return _resized(logits.softmax(dim=1), face.size)[0].cpu()


def _resized(x: Tensor, side: int) -> Tensor:
    """``(1, C, h, w)`` to ``(1, C, side, side)``; a mean where it shrinks."""
    return x if x.shape[-1] == side else interpolate(x, (side, side), mode="bilinear", antialias=side < x.shape[-1])
