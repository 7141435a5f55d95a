"""Head pose (yaw, pitch, roll) from the geometry of a segmentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.geometry import FACE_OUTLINE, frame, part, sharpened
from vera.types import Semantic, VeraError

POSE_PARTS = ((Semantic.NOSE,), (Semantic.MOUTH,), FACE_OUTLINE)
"""Parts whose offsets from the middle of the eyes tell the pose."""


class SegmentationPose(AttributeEncoder):
    """Pose in degrees, linear in the offsets of nose, mouth and face outline from the eyes, in eye distances.

    A turned head's nose moves further than its eyes, its outline less. The weights are calibrated against perspective-n-point on
    68 landmarks (experiments/contrastive/calibrate.py): for comparisons between faces, not a goniometer.

    Args:
        yaw: degrees for each eye distance that nose, mouth and outline lie to the image's right of the eyes. Mirrored faces have the
            opposite yaw, so there is no constant.
        pitch: degrees for each eye distance that nose, mouth and outline lie below the eyes, then a constant.
        ranges: ``[low, high]`` in degrees, of ordinary faces, for what is to be read of yaw (positive: towards the image's right),
            pitch (positive: downwards) and roll (positive: clockwise in the image).

    Raises:
        VeraError: another number of weights.

    """

    yaw: Tensor
    pitch: Tensor
    size = None

    def __init__(self, *, yaw: Sequence[float], pitch: Sequence[float], ranges: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        if (len(yaw), len(pitch)) != (len(POSE_PARTS), len(POSE_PARTS) + 1):
            wanted = f"yaw takes {len(POSE_PARTS)} weights and pitch {len(POSE_PARTS) + 1}"
            raise VeraError(f"pose: {wanted}, these are {len(yaw)} and {len(pitch)}")
        self.describe(dict.fromkeys(("yaw", "pitch", "roll"), "degrees"), ranges)
        self.register_buffer("yaw", torch.tensor(yaw), persistent=False)
        self.register_buffer("pitch", torch.tensor(pitch), persistent=False)

    @staticmethod
    def offsets(segmentations: Float[Tensor, "b k s s"]) -> tuple[Float[Tensor, "b p 2"], Float[Tensor, "b"]]:
        """Offsets of :data:`POSE_PARTS` from the middle of the eyes, in eye distances along the head's axes; and the roll in degrees."""
        segmentations = sharpened(segmentations)
        eyes = part(segmentations, [Semantic.EYES])
        head = frame(eyes)
        offsets = torch.stack([head.turn(part(segmentations, classes).centre - eyes.centre) for classes in POSE_PARTS], dim=1)
        return offsets, torch.atan2(head.sine, head.cosine) * (180 / math.pi)

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """``(B, V)``: what was asked for of yaw, pitch, roll; the image takes no part."""
        offsets, roll = self.offsets(segmentations)
        return self.chosen(torch.stack([offsets[..., 0] @ self.yaw, offsets[..., 1] @ self.pitch[:-1] + self.pitch[-1], roll], dim=1))
