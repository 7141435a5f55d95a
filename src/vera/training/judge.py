"""How a discriminator is asked: through the augmentation, keyed by the images' indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from vera.generator.adaptation import AdaptiveStrength
from vera.generator.augmentation import Augmentation
from vera.training.draws import Draws


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
        """Logits, float32.

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
        return discriminator(images, segmentations).float()
