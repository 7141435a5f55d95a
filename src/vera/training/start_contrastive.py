"""What stage 2 starts with: a generator with an attribute space, and the objective with its frozen encoders and new heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate

from vera.attributes.objective import ContrastiveObjective, Loss
from vera.generator.network import Generator
from vera.training import start as stage_1
from vera.types import VeraError


def generator(*, start: str | Path | None, config: Mapping[str, Any], attributes: Mapping[str, Any], spread: float) -> Generator:
    """A trainable generator with an attribute space.

    Args:
        start: bundle that stage 1 or stage 2 exported; None for a new network.
        config: of a new one: its constructor's arguments.
        attributes: the configuration group; ``code`` of each entry is the width of its code.
        spread: standard deviation of the conditioning A_g of a space that nothing has trained yet.

    Raises:
        VeraError: the bundle cannot be read or holds something else, or has other attributes.

    """
    return with_attributes(
        stage_1.generator(start=start, config=config), {str(name): int(entry["code"]) for name, entry in attributes.items()}, spread=spread
    )


@torch.no_grad()
def with_attributes(network: Generator, widths: Mapping[str, int], *, spread: float) -> Generator:
    """The same generator, conditioned on attribute codes besides.

    At A_g = 0 the attributes' mappings would get no gradient, and a face would equal its hard negative: A_g ~ N(0, spread²).

    Args:
        network: with the same attributes, or none.
        widths: of each attribute's code.
        spread: see :func:`generator`.

    Raises:
        VeraError: the network has other attributes.

    """
    widths = dict(sorted(widths.items()))  # a bundle's record is sorted: the codes stay where they are in the concatenation
    if network.attributes and network.attributes != widths:
        raise VeraError(f"the generator has the attributes {network.attributes}, {widths} are asked for: choose the same")
    plain = {name: value for name, value in network.config.items() if name != "controls"}
    made = Generator(**{**plain, "attributes": widths})
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("regressors.")}
    if not network.local.style_attributes.any():
        state["local.style_attributes"] = spread * torch.randn_like(made.local.style_attributes)
    mappings = made.attribute_mappings.state_dict(prefix="attribute_mappings.")
    made.load_state_dict({**mappings, **state}, strict=True)
    return made


def contrast(*, attributes: Mapping[str, Any], loss: Any, projection: bool, hidden: int, outputs: int) -> ContrastiveObjective:
    """The objective; its encoders are read from the attributes' configuration, so that a new one is an entry there and no code.

    Args:
        attributes: the configuration group: ``encoder`` and ``weight`` of each.
        loss: the loss's configuration.
        projection: with heads.
        hidden: width of their hidden layer.
        outputs: dimension of their result.

    """
    chosen: Loss = instantiate(loss, _convert_="all")
    return ContrastiveObjective(
        encoders={str(name): instantiate(entry["encoder"], _convert_="all") for name, entry in attributes.items()},
        weights={str(name): float(entry["weight"]) for name, entry in attributes.items()},
        loss=chosen,
        projection={"hidden": hidden, "outputs": outputs} if projection else None,
    )
