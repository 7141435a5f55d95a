"""How a discriminator is asked, and what it learns from: the same in every game that has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from vera.generator.adaptation import AdaptiveStrength
from vera.generator.augmentation import Augmentation
from vera.generator.objective import discriminator_loss, gradient_penalty
from vera.ops.precision import at_least_single
from vera.training.draws import Draws
from vera.training.phases import Terms


@dataclass
class Judge:
    """Real and made faces go through the same augmentation, if there is one.

    Attributes:
        augmentation: what the discriminator sees both sides through; None for nothing.
        strength: how strongly, adapted to the discriminator's over-fitting; required with an augmentation.

    """

    augmentation: Augmentation | None
    strength: AdaptiveStrength | None

    def __call__(
        self,
        discriminator: Callable[[Tensor, Tensor], Tensor],
        images: Tensor,
        segmentations: Tensor,
        *,
        draws: Draws,
        stream: str,
        indices: Sequence[int],
    ) -> Tensor:
        """Logits, at least float32.

        Args:
            discriminator: compiled or not.
            images: in [-1, 1].
            segmentations: 2p - 1.
            draws: source of randomness.
            stream: what these faces are for.
            indices: global image indices.

        """
        if self.augmentation is not None and self.strength is not None:
            uniform = draws.uniform(f"{stream}/augmentation", indices, self.augmentation.numbers)
            images, segmentations = self.augmentation(images, segmentations, self.strength.strength, uniform)
        return at_least_single(discriminator(images, segmentations))


def tell_apart(real: Tensor, fake: Tensor) -> tuple[Tensor, Terms]:
    """The discriminator's loss on its logits, and what the log shows."""
    return discriminator_loss(real, fake), {"logits/real": real.mean(), "logits/fake": fake.mean(), "logits/sign": real.sign().mean()}


def penalise(logits: Tensor, images: Tensor, segmentations: Tensor, *, image: float, segmentation: float) -> tuple[Tensor, Terms]:
    """R1 on both inputs, see :func:`vera.generator.objective.gradient_penalty`.

    Args:
        logits: of photographs.
        images: that they were computed from, before the augmentation; they require gradients.
        segmentations: likewise.
        image: γ of the image's term.
        segmentation: γ of the segmentation's.

    """
    r1_image, r1_segmentation = (penalty.mean() for penalty in gradient_penalty(logits, images, segmentations))
    return (image * r1_image + segmentation * r1_segmentation) / 2, {"r1/image": r1_image, "r1/segmentation": r1_segmentation}
