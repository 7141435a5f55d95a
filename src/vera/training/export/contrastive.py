"""Export a stage 2 run: the averaged generator with attribute regressors for control; projection heads are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from vera import bundle
from vera.attributes.control import ControlledGenerator
from vera.attributes.encoder import AttributeEncoder, encoder_config
from vera.generator.network import Generator
from vera.generator.sampling import sample_codes
from vera.rng import Draws
from vera.training.runs.stored import build
from vera.types import VeraError, to_probabilities
from vera.untrusted import field

FACES, BATCH = 4096, 32
"""DECISION: generated faces that the regressors are fitted on, and how many of them are made at once."""
GENERATOR = "vera.generator.network.Generator"
SOURCE, CONFIG = "the checkpoint", "the run's config.yaml"


def export_contrastive(
    config: Any, state: Mapping[str, Any], out: Path, *, provenance: Mapping[str, Any], **stated: Any
) -> bundle.BundleInfo:
    """Write the averaged generator with its controls.

    Args:
        config: configuration of the run; its attributes' encoders are built again from it.
        state: ``vera`` of its checkpoint.
        out: the bundle to make.
        provenance: origin of the weights beside the stage and the controls.
        **stated: licence, card and dtype, see :func:`vera.bundle.save`.

    """
    stored = field(field(state["networks"], "generator", dict, what=SOURCE), "config", dict, what=SOURCE)
    network: Any = bundle.rebuild({"class": GENERATOR, "config": stored}, state["ema"], source=SOURCE)
    attributes = field(config, "attributes", Mapping, what=CONFIG)  # type: ignore[type-abstract]
    described = OmegaConf.create({str(name): encoder_config(entry) for name, entry in attributes.items()})
    encoders = {str(name): build(described, str(name), AttributeEncoder, packages=("attributes",), what=CONFIG) for name in described}
    controlled = with_controls(network, encoders, faces=FACES, seed=field(config, "seed", int, what=CONFIG))
    fitted = {
        q: {"unit": encoders[place.attribute].quantities[place.number].unit, "explained": _explained(controlled, q)}
        for q, place in controlled.places.items()
    }
    recorded = {**provenance, "stage": "contrastive attribute learning", "controls": fitted}
    return bundle.save(out, controlled, provenance=recorded, **stated)


@torch.no_grad()
def with_controls(network: Generator, encoders: Mapping[str, AttributeEncoder], *, faces: int, seed: int) -> ControlledGenerator:
    """A generator with regressors from its attribute codes to what the encoders read, fitted on faces of its own.

    Args:
        network: generator with attributes and a mapping.
        encoders: frozen encoder of each attribute, by name; one without quantities (an embedding) gets no control.
        faces: number of faces for the fit.
        seed: seed of the generated faces.

    Raises:
        VeraError: an attribute without an encoder.

    """
    if set(network.attributes) != set(encoders):
        raise VeraError(f"the generator's attributes are {sorted(network.attributes)}, the encoders are for {sorted(encoders)}")
    named = {name: encoder for name, encoder in encoders.items() if encoder.quantities}
    plain = {key: value for key, value in network.config.items() if key != "controls"}
    made = ControlledGenerator(controls={name: [q.name for q in e.quantities] for name, e in named.items()}, **plain)
    made.load_state_dict({**made.state_dict(), **network.state_dict()}, strict=True)
    made.eval().requires_grad_(False)
    draws = Draws(seed, torch.device("cpu"))
    codes: dict[str, list[Tensor]] = {name: [] for name in named}
    read: dict[str, list[Tensor]] = {name: [] for name in named}
    for start in range(0, faces, BATCH):
        numbers = range(start, min(start + BATCH, faces))
        drawn = sample_codes(made, draws, "controls/local", numbers, attributes="controls/")
        image, segmentation, _ = made(drawn, draws.maps("controls/noise", numbers, made.noise_sides))
        for name, encoder in named.items():
            codes[name].append(made.split(drawn.attributes)[name])
            read[name].append(encoder(image, to_probabilities(segmentation)))
    for name in named:
        made.regressor(name).fit(torch.cat(codes[name]), torch.cat(read[name]))
    return made


def _explained(network: ControlledGenerator, quantity: str) -> float:
    place = network.places[quantity]
    return round(float(network.regressor(place.attribute).explained[place.number]), 3)
