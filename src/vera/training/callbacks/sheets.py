"""Contact sheets of a run in progress, as files and in the logger."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor
from torchvision.utils import make_grid, save_image

from vera.data.sample import Sample, decode_images, decode_labels
from vera.files import write_whole
from vera.generator.sampling import sample_codes
from vera.inversion.bank import mix_within
from vera.ops.palette import colourise
from vera.rng import Draws
from vera.training.callbacks.snapshots import Periodic


class ContactSheet(Periodic):
    """Callback: every N images a contact sheet of the averaged network's outputs, ``NNNNNNNN.png`` by images seen.

    Args:
        folder: folder of the sheets.
        every: images between two sheets.
        faces: number of faces on a sheet.

    """

    def __init__(self, *, folder: str | Path, every: int, faces: int) -> None:
        super().__init__(every=every)
        self.folder, self.faces = Path(folder), faces

    def rows(self, module: Any, batch: Sample) -> tuple[Tensor, int]:
        """Pictures ``(N, 3, S, S)`` in [-1, 1], and how many stand in a row."""
        raise NotImplementedError

    @torch.no_grad()
    def act(self, trainer: pl.Trainer, module: Any, batch: Sample) -> None:
        """Draw, write, log."""
        if not trainer.is_global_zero:
            return
        pictures, columns = self.rows(module, batch)
        sheet = make_grid(pictures.float().clamp(-1, 1), nrow=columns, normalize=True, value_range=(-1, 1))
        self.folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        save_image(sheet, content, format="png")
        write_whole(self.folder / f"{module.images_seen:08d}.png", content.getvalue())
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                pixels = sheet.mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
                logger.log_image("sheet", [pixels], step=module.images_seen)
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("sheet", sheet, module.images_seen)


class Reconstructions(ContactSheet):
    """Photographs over their reconstructions, and over faces of mixed codes with their segmentations."""

    def rows(self, module: Any, batch: Sample) -> tuple[Tensor, int]:
        """Faces of the last batch, and what the autoencoder makes of them."""
        images = decode_images(batch["image"][: self.faces]).to(module.dtype)
        network = module.ema.network
        codes = network.encode(images, decode_labels(batch["labels"][: self.faces]).to(module.dtype))
        weights = Draws(module.seed, module.device, module.dtype).normal("sheet/weights", range(len(images)), len(images))
        mixed = network.generator(codes.with_local(mix_within(codes.local, weights)))
        colours = colourise(mixed.segmentation.argmax(dim=1)).float() / 127.5 - 1
        return torch.cat([images, network.generator(codes).image, mixed.image, colours]), len(images)


class Samples(ContactSheet):
    """Stage 1: generated faces over their segmentations, of the same codes every time."""

    def rows(self, module: Any, batch: Sample) -> tuple[Tensor, int]:
        """One code after the other, as many columns as rows of faces, about."""
        network, draws = module.ema.network, Draws(module.seed, module.device, module.dtype)
        columns = max(1, round((2 * self.faces) ** 0.5))
        rows = []
        for start in range(0, self.faces, columns):
            indices = range(start, min(start + columns, self.faces))
            made = network(sample_codes(network, draws, "sheet/z", indices))
            colours = colourise(made.segmentation.argmax(dim=1)).float() / 127.5 - 1
            blank = made.image.new_full((columns - len(indices), *made.image.shape[1:]), -1.0)
            rows += [made.image, blank, colours, blank]
        return torch.cat(rows), columns
