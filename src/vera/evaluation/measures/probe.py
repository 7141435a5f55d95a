"""An independent reader of procedural faces: a small network trained on labelled ones, which no generator ever sees.

Used by experiments/contrastive.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.attributes.encoder import AttributeEncoder
from vera.data.procedural import ProceduralFaces
from vera.data.sample import decode_images

NAMES = ("yaw", "smile", "light")
RANGES = {"yaw": (-0.06, 0.06), "smile": (0.0, 1.0), "light": (-1.0, 1.0)}
"""What :func:`vera.data.procedural.draw_attributes` draws from."""


class ProceduralProbe(AttributeEncoder):
    """Yaw, smile and light of :class:`vera.data.procedural.Attributes`, from the image alone.

    Args:
        size: side S of the faces.

    """

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.size = size
        self.describe(dict.fromkeys(NAMES, "of procedural faces"), RANGES)
        layers: list[nn.Module] = []
        side, before = size, 3
        for channels in (16, 32, 64):
            convolutions = nn.Conv2d(before, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, stride=2, padding=1)
            layers += [convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU()]
            side, before = (side + 1) // 2, channels
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * side**2, len(NAMES)))

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """Yaw, smile and light, ``(B, 3)``; the segmentation is not used."""
        low, high = (images.new_tensor([pair[end] for pair in RANGES.values()]) for end in (0, 1))
        values: Tensor = (low + high) / 2 + (high - low) / 2 * self.layers(images)
        return values

    def learn(self, *, faces: int, epochs: int, seed: int) -> dict[str, float]:
        """Train on procedural faces, and test on a fifth as many others.

        Args:
            faces: number of training faces.
            epochs: number of passes over them.
            seed: seed of the weights, the faces and their order.

        Returns:
            R² of each of :data:`NAMES` on the test faces.

        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for layer in self.layers:
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    layer.reset_parameters()
            images, truth = labelled(self.size or 0, faces, seed)
            self.requires_grad_(True)
            optimizer = torch.optim.Adam(self.parameters(), lr=2e-3)
            schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=epochs)
            for _ in range(epochs):
                for rows in torch.split(torch.randperm(faces), 64):
                    loss = (self.scaled(self(images[rows], images[rows])) - self.scaled(truth[rows])).square().mean()
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                schedule.step()
        self.requires_grad_(False)
        images, truth = labelled(self.size or 0, faces // 5, seed + 1)
        off = self(images, images) - truth
        explained = 1 - off.square().mean(dim=0) / truth.var(dim=0, correction=0)
        return dict(zip(NAMES, explained.tolist(), strict=True))


def labelled(size: int, faces: int, seed: int) -> tuple[Float[Tensor, "n 3 s s"], Float[Tensor, "n v"]]:
    """Procedural faces with their true yaw, smile and light."""
    drawn = ProceduralFaces(size=size, count=faces, seed=seed)
    truth = np.array([[getattr(drawn.attributes(n), name) for name in NAMES] for n in range(faces)], np.float32)
    return decode_images(torch.stack([drawn[n]["image"] for n in range(faces)])), torch.from_numpy(truth)
