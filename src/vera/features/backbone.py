"""EfficientNet-Lite0's first stages as the trainable trunk of the encoder and of the parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.efficientnet import EfficientNetLite0

CHANNELS = (16, 24, 40, 112)
"""Of the stages at strides 2, 4, 8 and 16."""
LEARNING_RATE = 0.1
"""DECISION: of the run's learning rate, which is made for equalized layers; pretrained plain convolutions take a tenth of it."""


class Lite0Trunk(nn.Module):
    """Feature maps at strides up to 16; the stages after them are left out (0.7 million parameters stay of 3.4).

    Batch normalisation keeps ImageNet's statistics, so that nothing depends on a batch; its scales and biases are trained.

    Args:
        inputs: channels of the input, of which the first three are an image in [-1, 1]. Weights of the others start at zero: what was
            learnt on ImageNet is not disturbed.
        stages: maps to return, 0 to 3: strides 2, 4, 8, 16; 16, 24, 40, 112 channels.
        pretrained: start from the packaged ImageNet weights; False for tests, and where weights are loaded anyway.

    Attributes:
        channels: number of channels of each map.
        learning_rate: factor of the run's learning rate for these parameters.

    """

    learning_rate = LEARNING_RATE

    def __init__(self, *, inputs: int, stages: Sequence[int], pretrained: bool) -> None:
        super().__init__()
        network: Any = EfficientNetLite0(stages=stages, pretrained=pretrained).network
        self.channels = tuple(CHANNELS[stage] for stage in stages)
        network.blocks = network.blocks[:5]
        first: Any = network.conv_stem
        weight = torch.zeros(first.out_channels, inputs, *first.kernel_size)
        weight[:, :3] = first.weight
        first.weight, first.in_channels = nn.Parameter(weight), inputs
        self.network: nn.Module = network.requires_grad_()

    def train(self, mode: bool = True) -> Lite0Trunk:
        """The statistics stay, whatever the mode; gradients flow in both."""
        return super().train(False)

    def forward(self, x: Float[Tensor, "b i h w"]) -> list[Tensor]:
        """A map ``(B, C, h / stride, w / stride)`` for each of the stages; sides are multiples of 16."""
        maps: list[Tensor] = self.network(x)
        return maps
