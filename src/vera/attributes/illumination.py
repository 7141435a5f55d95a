"""Illumination of a face: low-order polynomial of the skin's shading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.geometry import FACE_OUTLINE, frame, grid, part, sharpened
from vera.types import Semantic

NAMES = ("light_right", "light_below", "light_across", "light_diagonal")
LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Rec. 709. DECISION: on sRGB values as they are, whose curve is near to how different a shading looks."""
RIDGE = 1e-3
"""Keeps the fit finite where a face has no skin."""


class SkinShading(AttributeEncoder):
    """Luminance of the skin over its mean, as a polynomial of second degree over the face: the first orders of spherical harmonics.

    ``light_right`` and ``light_below`` are the relative change of brightness for each eye distance to the image's right and down,
    ``light_across`` is light from the side against light from above and below (x² - y²), ``light_diagonal`` its turned twin (xy).
    The constant and x² + y² (a face that is brightest in front) are fitted and left out: skin tone and flash are not direction.

    Args:
        ranges: ``[low, high]`` on ordinary faces, for what is to be read of :data:`NAMES`.

    """

    size = None
    luminance: Tensor

    def __init__(self, *, ranges: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        self.describe(dict.fromkeys(NAMES, "relative brightness per eye distance"), ranges)
        self.register_buffer("luminance", torch.tensor(LUMINANCE), persistent=False)

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """``(B, V)``; the segmentation says where skin is, and gets no gradient: light shall not be learnt as a shape."""
        segmentations = sharpened(segmentations.detach())
        light = torch.einsum("c,bchw->bhw", self.luminance, (images + 1) / 2).flatten(1)
        unit = frame(part(segmentations, [Semantic.EYES])).unit
        x, y = ((grid(segmentations)[:, None] - part(segmentations, FACE_OUTLINE).centre.T[..., None]) / unit[:, None]).unbind(0)
        basis = torch.stack([torch.ones_like(x), x, y, x * x - y * y, x * y, x * x + y * y], dim=2)
        weight = segmentations[:, Semantic.SKIN].flatten(1)
        weight = weight / (weight.sum(dim=1, keepdim=True) + 1e-6)
        weighted = basis * weight[..., None]
        # Over the mean first: the ridge is then equally weak for dark and light skin.
        relative = light / ((light * weight).sum(dim=1, keepdim=True).abs() + 1e-2)
        normal = weighted.mT @ basis + RIDGE * torch.eye(basis.shape[2], device=basis.device, dtype=basis.dtype)
        fitted: Tensor = torch.linalg.solve(normal, weighted.mT @ relative[..., None])[..., 0]
        return self.chosen(fitted[:, 1:5])
