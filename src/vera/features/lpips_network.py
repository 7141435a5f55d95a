"""LPIPS (Zhang et al., 2018): the package ``lpips`` with the published backbones, from a path or by download."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lpips
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights, VGG16_Weights

from vera.features.published import own_weights, published_file
from vera.types import VeraError

BACKBONES: dict[str, Any] = {
    "alex": AlexNet_Weights.IMAGENET1K_V1,
    "vgg": VGG16_Weights.IMAGENET1K_V1,
    "squeeze": SqueezeNet1_1_Weights.IMAGENET1K_V1,
}
"""torchvision's ImageNet weights, on which LPIPS 0.1 was calibrated; its linear layers come with the package."""
LEAST_SIDE = 32
"""Pixels under which the backbones' pooling leaves nothing."""


class LpipsNetwork(nn.Module):
    """The distance of each pair of images; gradients reach both images, the network is frozen.

    Args:
        net: ``alex`` (for reporting), ``vgg`` (for training) or ``squeeze``.
        path: path of the backbone's torchvision file; None for torch's hub folder, else a download.

    Attributes:
        name: ``lpips_<net>``; with other weights than the published ones ``perceptual_<net>_own_weights_<digest>``.

    Raises:
        VeraError: an unknown backbone, or weights that are missing or of another network; says where to get them.

    """

    def __init__(self, net: str = "alex", path: str | Path | None = None) -> None:
        super().__init__()
        if net not in BACKBONES:
            raise VeraError(f"unknown LPIPS backbone '{net}': choose from {', '.join(BACKBONES)}")
        file = published_file(str(BACKBONES[net].url), path, what=f"LPIPS's backbone {net}")
        own = own_weights(str(BACKBONES[net].url), file)
        self.name = f"perceptual_{net}_own_weights_{own}" if own else f"lpips_{net}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # lpips asks torchvision in its old words
            self.network: Any = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)  # random backbone: nothing is downloaded here
        try:
            published = torch.load(file, map_location="cpu", weights_only=True)
            for part in self.network.net.children():  # slices of torchvision's `features`, under their numbers there
                for number, layer in part.named_children():
                    prefix = f"features.{number}."
                    layer.load_state_dict({k.removeprefix(prefix): v for k, v in published.items() if k.startswith(prefix)})
        except Exception as error:  # torch has no common error for damaged and for foreign files
            raise VeraError(f"'{file}' does not hold the weights of torchvision's {net}: fetch {BACKBONES[net].url} again") from error
        self.network.requires_grad_(False)

    def train(self, mode: bool = True) -> LpipsNetwork:
        """Stay in eval mode: the linear layers are behind a dropout."""
        return super().train(False)

    def forward(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b"]:
        """LPIPS of each pair of images in [-1, 1].

        Raises:
            VeraError: images smaller than :data:`LEAST_SIDE`.

        """
        require_side(a)
        distances: Tensor = self.network(a, b)
        return distances.flatten()


def require_side(images: Tensor) -> None:
    """Raise a VeraError for images smaller than :data:`LEAST_SIDE`."""
    if min(images.shape[-2:]) < LEAST_SIDE:
        raise VeraError(f"LPIPS needs images of at least {LEAST_SIDE} pixels a side, these are {tuple(images.shape[-2:])}: enlarge them")
