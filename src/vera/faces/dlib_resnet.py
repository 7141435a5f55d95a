"""dlib's recognition network, computed by PyTorch from dlib's own weight file.

Why: dlib's own computation takes about ten times as long on a processor (``benchmarks/embedding.py``), and a search embeds up to 80
faces. Both give the same numbers but for rounding. The network is Davis King's ResNet with 29 convolutions
(dlib.net/dnn_face_recognition_ex.cpp.html); the file has the format of dlib's ``serialize``.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from vera.types import Pixels, VeraError
from vera.untrusted import read_bytes

MEAN, RANGE = (122.782, 117.001, 104.298), 256.0
"""What dlib's input layer subtracts from red, green and blue, and what it divides by."""
LIMIT = 64 << 20
"""DECISION: bytes of the weight file; dlib's has 22 MB."""
LAYER = re.compile(rb"\x01(?:\x05con_4|\x07affine_|\x04fc_2)")
"""Start of a layer with weights: length of the name's length, of the name, and the name."""


class Convolution(NamedTuple):
    """A convolution with the affine layer that follows it folded in.

    Attributes:
        weight: ``(out, in, k, k)``.
        bias: bias of the channels, ``(out,)``.
        stride: step between outputs, 1 or 2.
        padding: padding in pixels at each side.

    """

    weight: Tensor
    bias: Tensor
    stride: int
    padding: int

    def __call__(self, x: Tensor) -> Tensor:
        """``(B, in, H, W)`` to ``(B, out, H', W')``."""
        return F.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


class DlibResNet:
    """The network: a stem, 14 residual blocks of two convolutions, the mean over the picture, and a linear map.

    Args:
        path: dlib's weight file ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises:
        VeraError: when the file is not this network's.

    """

    def __init__(self, path: Path) -> None:
        try:
            self._convolutions, self._linear = _read(read_bytes(path, limit=LIMIT, what="weight file"))
        except (IndexError, ValueError, OverflowError) as error:
            mend = "install it again (`pip install --force-reinstall face_recognition_models`)"
            raise VeraError(f"{path} does not hold dlib's recognition network: {mend}") from error
        self._mean = torch.tensor(MEAN).view(1, 3, 1, 1)

    @torch.inference_mode()
    def embed(self, chip: Pixels) -> npt.NDArray[np.float64]:
        """``(128,)`` of a chip ``(150, 150, 3)`` uint8 RGB."""
        x = torch.from_numpy(np.ascontiguousarray(chip)).permute(2, 0, 1)[None].float()
        x = ((x - self._mean) / RANGE).contiguous(memory_format=torch.channels_last)
        stem, *rest = self._convolutions
        x = F.max_pool2d(F.relu(stem(x)), 3, 2)
        for first, second in zip(rest[::2], rest[1::2], strict=True):
            y = second(F.relu(first(x)))
            shortcut = F.avg_pool2d(x, 2) if first.stride == 2 else x
            x = F.relu(_sum(shortcut, y))
        return (x.mean((2, 3)) @ self._linear)[0].numpy().astype(np.float64)


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """Sum of two maps of different sizes: dlib continues the smaller one with zeros, in channels, height and width."""
    if a.shape == b.shape:
        return a + b
    channels, height, width = (max(one, other) for one, other in zip(a.shape[1:], b.shape[1:], strict=True))
    a, b = (F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, channels - x.shape[1])) for x in (a, b))
    return a + b


def _read(content: bytes) -> tuple[list[Convolution], Tensor]:
    """The convolutions, from input to output, and the linear map ``(256, 128)`` of a weight file.

    Raises:
        ValueError: when layers are missing, have other shapes, or numbers that are not finite.
        IndexError: when the file ends within a layer.

    """
    convolutions: list[Convolution] = []
    linear, channels = None, 3
    pending: tuple[npt.NDArray[np.float32], list[int]] | None = None
    for found in LAYER.finditer(content):
        name, at = found.group()[2:], found.end()
        if name == b"con_4":
            numbers, at = _tensor(content, at)
            pending = numbers, _integers(content, at, 7)[0]
        elif name == b"affine_" and pending is not None:
            (numbers, (out, height, width, stride, _, padding, _)), pending = pending, None
            scale, shift = _tensor(content, at)[0].reshape(2, out)
            weight = numbers[:-out].reshape(out, channels, height, width) * scale[:, None, None, None]
            convolutions.append(
                Convolution(
                    torch.from_numpy(weight).contiguous(memory_format=torch.channels_last),
                    torch.from_numpy(numbers[-out:] * scale + shift),
                    stride,
                    padding,
                )
            )
            channels = out
        elif name == b"fc_2":
            (outputs, inputs), at = _integers(content, at, 2)
            linear = torch.from_numpy(_tensor(content, at)[0].reshape(inputs, outputs).copy())
    if len(convolutions) != 29 or linear is None or linear.shape != (256, 128):
        raise ValueError(f"{len(convolutions)} convolutions")
    if any(known.stride not in (1, 2) or not 0 <= known.padding < 8 for known in convolutions):
        raise ValueError("a stride or padding of no such network")
    parts = [linear, *(known.weight for known in convolutions), *(known.bias for known in convolutions)]
    if not all(part.isfinite().all() for part in parts):
        raise ValueError("numbers that are not finite")  # of them no distance can be computed
    return convolutions, linear


def _integers(content: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Integers as dlib packs them (a byte of sign and length, then the digits), and where they end."""
    numbers = []
    for _ in range(count):
        length, negative = content[at] & 0x0F, content[at] & 0x80
        number = int.from_bytes(content[at + 1 : at + 1 + length], "little")
        numbers.append(-number if negative else number)
        at += 1 + length
    return numbers, at


def _tensor(content: bytes, at: int) -> tuple[npt.NDArray[np.float32], int]:
    """Numbers of a tensor in one row, and where they end.

    Raises:
        ValueError: for another version of the format, a side below 1, or when the file ends within them.
        OverflowError: for sides beyond any file.

    """
    (version, *shape), at = _integers(content, at, 5)
    if version != 2:
        raise ValueError(f"a tensor of version {version}")
    count = math.prod(shape)
    if min(shape) < 1:
        raise ValueError(f"a tensor of the shape {shape}")
    return np.frombuffer(content, "<f4", count, at), at + 4 * count
