"""Corrupt a batch of faces and their labels for the parser's training.

Plain torch on whichever device the batch lies, so that a GPU is not kept waiting; a pure function of keyed random numbers, one row
for each image, and no image has a part in another's change. Labels move with the pixels.
Unlike the data's augmentation (:mod:`vera.data.augment`), which a generator learns to draw, this may look unnatural: a parser has to
bear more than it will meet.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from vera.data.corruption.accessories import clothes, hats, occluders, spectacles
from vera.data.corruption.camera import photograph
from vera.data.corruption.numbers import FIELDS, Numbers
from vera.data.corruption.pose import Pose, move
from vera.data.corruption.scene import beard, lamp, materials, shadows, surroundings
from vera.types import VeraError


class Corruption:
    """Corrupt a batch of faces and their labels by random changes of light, place, accessories, pose and camera.

    Args:
        probability: probability of each kind of change (light, place, pose, camera, things before the face), in [0, 1].
        rare: probability of rare features (spectacles, beards, grey photographs), in [0, 1]; half of it for hats.
        pose: range of the face's movement in the frame.

    Raises:
        VeraError: for a probability outside [0, 1].

    """

    numbers = 172
    """Uniform numbers that one image needs, whichever changes are made."""

    def __init__(self, *, probability: float, rare: float, pose: Pose) -> None:
        for name, value in (("probability", probability), ("rare", rare)):
            if not 0 <= value <= 1:
                raise VeraError(f"corruption.{name}={value}: choose a value from 0 to 1")
        self.probability, self.rare, self.pose = probability, rare, pose

    @staticmethod
    def normals(side: int) -> int:
        """Normal numbers that one image of this side needs."""
        return FIELDS + 3 * side**2

    @torch.no_grad()
    def __call__(
        self,
        images: Float[Tensor, "b 3 s s"],
        labels: Integer[Tensor, "b s s"],
        uniform: Float[Tensor, "b n"],
        normal: Float[Tensor, "b m"],
    ) -> tuple[Float[Tensor, "b 3 s s"], Integer[Tensor, "b s s"]]:
        """Corrupt a batch; every change has its own probability.

        Args:
            images: aligned faces in [-1, 1].
            labels: class numbers of the faces' pixels, 0 to 12.
            uniform: :attr:`numbers` uniform numbers in [0, 1) for each image.
            normal: :meth:`normals` standard normal numbers for each image.

        Returns:
            Images in [-1, 1] and labels; both unchanged where no change is made.

        Raises:
            VeraError: for another number of numbers.

        """
        expected = (len(images), self.numbers), (len(images), self.normals(images.shape[-1]))
        if (tuple(uniform.shape), tuple(normal.shape)) != expected:
            raise VeraError(f"corruption needs numbers of the shapes {expected}, not {tuple(uniform.shape)} and {tuple(normal.shape)}")
        with torch.autocast(images.device.type, enabled=False):  # coordinates need single precision
            numbers = Numbers(uniform, normal, images.shape[-1])
            x, where = (images.float() + 1) / 2, labels.long()
            p = self.probability
            x = materials(x, where, numbers, p)
            x = beard(x, where, numbers, self.rare)
            x = lamp(x, where, numbers, p)
            x = surroundings(x, where, numbers, p)
            x, where = clothes(x, where, numbers, p)
            x, where = spectacles(x, where, numbers, self.rare)
            x, where = hats(x, where, numbers, self.rare / 2)  # hair must not be taken for one
            x = occluders(x, where, numbers, p)
            x, where = move(x, where, numbers, p, self.pose)
            x = shadows(x, numbers, p)
            x = photograph(x, numbers, p, self.rare)
            numbers.require_used()
            changed = (x - (images + 1) / 2).abs().amax(dim=(1, 2, 3), keepdim=True) > 0
            return torch.where(changed, 2 * x.clamp(0, 1) - 1, images), where
