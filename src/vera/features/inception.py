"""Inception as the FID defines it: torch-fidelity's port of the 2015 TensorFlow network, its weights and its resize."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.pooled import PooledFeatures, as_bytes
from vera.features.published import own_weights, published_file
from vera.types import VeraError


class InceptionFeatures(PooledFeatures):
    """Inception's last pooling: 2048 numbers an image.

    With other weights than the published ones its names say so, and what is measured on it is no FID or KID.

    Args:
        path: path of ``weights-inception-2015-12-05-6726825d.pth``; None for torch's hub folder, else a download of 92 MB.

    Raises:
        VeraError: torch-fidelity or the weights are missing; says where to get them.

    """

    short = "inception"  # what makes a Fréchet distance the FID
    dimension = 2048
    name = "inception-v3-compat pool 2048, TensorFlow-1 bilinear to 299, 8 bit (torch-fidelity)"

    def __init__(self, path: str | Path | None = None) -> None:
        super().__init__()
        try:
            fidelity: Any = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
        except ImportError as error:
            raise VeraError(f"the FID needs torch-fidelity, which is missing ({error}): run `pip install torch-fidelity`") from error
        file = published_file(fidelity.URL_INCEPTION_V3, path, what="Inception for the FID")
        try:
            network = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(file))
        except Exception as error:  # a file of another kind fails in torch or in torch-fidelity, each in its own way
            raise VeraError(f"'{file}' does not hold Inception's weights: fetch {fidelity.URL_INCEPTION_V3} again") from error
        if own := own_weights(fidelity.URL_INCEPTION_V3, file):
            self.short, self.name = f"{self.short}_own_weights_{own}", f"{self.name}, own weights {own}"
        self.network: nn.Module = network.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """One vector an image; images in [-1, 1], rounded to 8 bits as a file would be."""
        vectors: Tensor = self.network(as_bytes(images))[0]
        return vectors
