"""The two networks' pairs that are compared, each as the training module that would train it.

Ours is what ``vera train stage=generator generator=pxN`` composes. The reference is the plain network of
``tests/reference`` at the same sizes, in the same training module: phases, losses, optimizers and average are the same objects'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf
from tests.reference import semantic_stylegan as reference
from torch import Tensor

from vera.generator.network import Synthesis
from vera.rng import Draws
from vera.training.module import StageModule
from vera.types import LatentCodes


def configuration(*, size: int, classes: int, narrow: int, compiled: bool, checkpointing: bool) -> dict[str, Any]:
    """The stage's configuration at this size.

    Args:
        size: 64, 128, 256 or 512.
        classes: K.
        narrow: divides all widths, for tests.
        compiled: compile both networks.
        checkpointing: recompute activations.

    """
    with initialize_config_module("vera.conf", version_base="1.3"):
        composed = compose("train", ["stage=generator", f"generator=px{size}", "run.folder=unused"])
    stage: dict[str, Any] = OmegaConf.to_container(composed.stage, resolve=True)["module"]
    objective = stage["objective"]
    objective |= {"compiler": "inductor" if compiled else None, "checkpointing": checkpointing}
    for network in (objective["generator"]["config"], objective["discriminator"]["config"]):
        network["classes"] = classes
        network["channels"] = {side: max(1, width // narrow) for side, width in network["channels"].items()}
    generator = objective["generator"]["config"]
    generator["transparent"] = [k for k in generator["transparent"] if k < classes]
    for width in ("latent", "local_channels", "coarse_channels"):
        generator[width] //= narrow
    objective["discriminator"]["config"]["checkpointing"] = checkpointing
    return stage


def ours(stage: Mapping[str, Any], device: torch.device) -> StageModule:
    """VerA's networks."""
    return _ready(instantiate(stage, _convert_="all"), device)


def published(stage: Mapping[str, Any], device: torch.device) -> StageModule:
    """The reference's networks, never compiled, nothing recomputed."""
    g, d = (stage["objective"][side]["config"] for side in ("generator", "discriminator"))
    base, shape, texture = g["layers"]
    common = {"size": g["size"], "seg_dim": g["classes"], "channel_multiplier": 2, "widest": d["channels"][4]}
    networks = {
        "generator": PlainGenerator(
            **common, latent=g["latent"], n_mlp=g["mapping_layers"], local_layers=base + shape + texture, base_layers=base,
            depth_layers=base + shape, local_channel=g["local_channels"], coarse_channel=g["coarse_channels"],
            coarse_size=g["coarse_size"], min_feat_size=g["start_size"], transparent_dims=g["transparent"],
        ),
        "discriminator": reference.Discriminator(**common, group=d["group"]),
    }  # fmt: skip
    settings = {name: value for name, value in stage["objective"].items() if name not in networks}
    objective = instantiate(settings | {"compiler": None, "checkpointing": False}, **networks, _convert_="all")
    return _ready(instantiate({**stage, "objective": None}, objective=objective, _convert_="all"), device)


class PlainGenerator(reference.Generator):
    """The reference, called as the training module calls a generator."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.latent, self.classes, self.attributes = settings["latent"], settings["seg_dim"], {}
        self.checkpointing = False

    @property
    def noise_sides(self) -> list[int]:
        """Side of each map of injected noise."""
        return [noise.shape[-1] for noise in self.render_net.noises.buffers()]

    def map(self, z: Tensor, z_attributes: Mapping[str, Tensor]) -> LatentCodes:
        """Noise to latent codes."""
        return LatentCodes(super().map(z), z.new_zeros(len(z), 0))

    def expand(self, codes: LatentCodes) -> Tensor:
        """``(B, K, L, D)``: the code of each class and layer."""
        return torch.stack([torch.stack(super(PlainGenerator, self).layer_codes(codes.local, k), 1) for k in range(self.classes)], 1)

    def layer_codes(self, codes: Tensor, k: int) -> Sequence[Tensor]:
        """Of expanded codes."""
        return codes[:, k].unbind(1)

    def synthesise(self, layers: Tensor, attributes: Tensor, noise: Sequence[Tensor] | None = None) -> Synthesis:
        """Synthesise from expanded codes."""
        return Synthesis(*self(layers, noise))


def _ready(module: StageModule, device: torch.device) -> StageModule:
    module.to(device)
    module.ema.network.to(device)
    module.objective.draws = Draws(module.seed, device)
    return module
