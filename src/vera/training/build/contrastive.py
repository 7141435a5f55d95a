"""Build the networks of stage 2: a generator with attribute codes, and the contrastive objective with encoders and heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from jaxtyping import Float
from torch import Tensor

from vera.attributes.encoder import encoder_config
from vera.attributes.objective import ContrastiveObjective, Loss
from vera.generator.network import Generator
from vera.training.build import networks as stage_1
from vera.types import VeraError
from vera.untrusted import read_tensors


def generator(
    *,
    start: str | Path | None,
    config: Mapping[str, Any],
    attributes: Mapping[str, Any],
    spread: float,
    directions: str | Path | None,
    dual_only: bool,
) -> Generator:
    """Build a trainable generator with attribute codes, new or from a bundle.

    Args:
        start: bundle that stage 1 or stage 2 exported; None for a new network.
        config: constructor arguments of a new generator; ignored with ``start``.
        attributes: the configuration group; ``code`` of each entry is the width of its code.
        spread: standard deviation of the conditioning A_g of a space that nothing has trained yet.
        directions: file of directions in the space of local codes; then A_g is a :class:`vera.generator.span.Span`.
        dual_only: only the conditioning A_g and the attributes' mappings are trained. Without attribute codes the network then
            stays what it was, and the codes of an encoder keep their meaning.

    Raises:
        VeraError: the bundle or the directions cannot be read or hold something else, or the bundle has other attributes.

    """
    plain = stage_1.generator(start=start, config=config)
    along = None if directions is None else _read(Path(directions), plain)
    made = with_attributes(plain, {str(name): int(entry["code"]) for name, entry in attributes.items()}, spread=spread, directions=along)
    if dual_only:
        made.requires_grad_(False)
        made.local.style_attributes.requires_grad_()
        for part in (made.attribute_mappings, *([made.span] if made.span else [])):
            part.requires_grad_()
    return made


@torch.no_grad()
def with_attributes(
    network: Generator, widths: Mapping[str, int], *, spread: float, directions: Float[Tensor, "n r d"] | None = None
) -> Generator:
    """Add attribute codes to a generator.

    At A_g = 0 the attributes' mappings would get no gradient, and a face would equal its hard negative: A_g ~ N(0, spread²).

    Args:
        network: generator with the same attributes, or none.
        widths: dimension of each attribute's code, by name.
        spread: standard deviation of the initial conditioning A_g, see :func:`generator`.
        directions: directions along which the attributes move local codes, see :class:`vera.generator.span.Span`; None for a
            free A_g.

    Raises:
        VeraError: the network has other attributes, or has some and directions are given.

    """
    widths = dict(sorted(widths.items()))  # a bundle's record is sorted: the codes stay where they are in the concatenation
    if network.attributes and network.attributes != widths:
        raise VeraError(f"the generator has the attributes {network.attributes}, {widths} are asked for: choose the same")
    if network.attributes and directions is not None:
        raise VeraError("the bundle has attributes already: leave stage.start.directions out")
    plain = {name: value for name, value in network.config.items() if name != "controls"}
    made = Generator(**{**plain, "attributes": widths, **({} if directions is None else {"span": len(directions)})})
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("regressors.")}
    if made.span is None and not network.local.style_attributes.any():
        state["local.style_attributes"] = spread * torch.randn_like(made.local.style_attributes)
    new = {name: value for name, value in made.state_dict().items() if name.startswith(("attribute_mappings.", "span."))}
    made.load_state_dict({**new, **state}, strict=True)
    if made.span is not None and directions is not None:
        drawn = {name: torch.randn(1000, width) for name, width in widths.items()}
        made.span.fill(directions, made.map(torch.zeros(1000, made.latent), drawn).attributes, widths)
    return made


def _read(file: Path, network: Generator) -> Tensor:
    try:
        found = read_tensors(file, what=f"'{file}'", names=("within",)).tensors["within"]
    except VeraError as error:
        raise VeraError(f"no directions in '{file}' ({error}): make it with experiments/contrastive/reconstructed.py") from error
    if found.dim() != 3 or found.shape[1:] != (network.rows, network.latent):
        wanted = (network.rows, network.latent)
        raise VeraError(f"'{file}' belongs to another network: its codes are {tuple(found.shape[1:])}, not {wanted}")
    return found


def contrast(*, attributes: Mapping[str, Any], loss: Any, projection: bool, hidden: int, outputs: int) -> ContrastiveObjective:
    """Build the contrastive objective from the attributes' configuration; a new attribute is an entry there, not code.

    Args:
        attributes: the configuration group: each with ``code``, ``weight`` and its encoder's class and arguments.
        loss: configuration of the contrastive loss.
        projection: whether projection heads are trained.
        hidden: width of their hidden layer.
        outputs: dimension of their result.

    """
    chosen: Loss = instantiate(loss, _convert_="all")
    return ContrastiveObjective(
        encoders={str(name): instantiate(encoder_config(entry), _convert_="all") for name, entry in attributes.items()},
        weights={str(name): float(entry["weight"]) for name, entry in attributes.items()},
        loss=chosen,
        projection={"hidden": hidden, "outputs": outputs} if projection else None,
    )
