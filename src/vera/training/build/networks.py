"""Build the networks that a run starts with: new ones, or those of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from vera import bundle
from vera.generator.discriminator import Discriminator
from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.generator.projected import ProjectedDiscriminator
from vera.inversion.autoencoder import Autoencoder, one_hot
from vera.inversion.drawing import drawn_codes
from vera.inversion.mapped import TRUNCATION
from vera.rng import Draws
from vera.types import LatentCodes, VeraError

BEGINNING, BATCH = 64, 8
"""DECISION: generated faces from which a new encoder learns what features are usual, and how many are made at once."""


def generator(*, start: str | Path | None, config: Mapping[str, Any]) -> Generator:
    """Build a trainable generator, new or from a bundle.

    Args:
        start: bundle of a generator, rebuilt from its own configuration, or of an autoencoder, see :func:`drawing`; None for a new one.
        config: constructor arguments of a new generator; ignored with ``start``.

    Raises:
        VeraError: the bundle cannot be read or holds something else, or the generator has no mapping.

    """
    network = Generator(**config) if start is None else _trainable(start)
    if isinstance(network, Autoencoder):
        network = drawing(network)
    if not isinstance(network, Generator):
        raise VeraError(f"'{start}' is a bundle of {type(network).__name__}, not of a Generator: start from one that stage 1 exported")
    if network.mapping is None:
        raise VeraError("a generator without a mapping cannot be trained from noise: set generator.mapping_layers to 8")
    return network


def drawing(network: Autoencoder) -> Generator:
    """An autoencoder's generator, with its bank of identities as a mapping (:class:`vera.generator.mapping.PrincipalMapping`).

    Where the encoder was trained for the generator's own mapping, the generator stays as it is.

    Raises:
        VeraError: the bank is empty.

    """
    if network.mapped:
        return network.generator
    if not len(network.bank):
        raise VeraError("the autoencoder's bank of identities is empty: nothing says which faces are usual")
    banks = [network.identities(kind)[0] for kind in network.kinds or (None,)]
    made = Generator(**{**network.generator.config, "principal": len(banks)})
    assert isinstance(made.mapping, PrincipalMapping)
    made.mapping.fill(banks)
    made.load_state_dict({**made.state_dict(), **network.generator.state_dict()}, strict=True)
    return made


def discriminator(*, start: str | Path | None, config: Mapping[str, Any]) -> nn.Module:
    """Build a trainable discriminator, new or from a bundle.

    Args:
        start: bundle of a discriminator; None for a new one.
        config: ``_target_`` (the class) and constructor arguments of a new discriminator; ignored with ``start``.

    Raises:
        VeraError: the bundle cannot be read or holds something else.

    """
    if start is None:
        new: nn.Module = instantiate(config, _convert_="all")
        return new
    network = _trainable(start)
    if not isinstance(network, Discriminator | ProjectedDiscriminator):
        raise VeraError(f"'{start}' is a bundle of {type(network).__name__}, not of a discriminator: start from one that stage 1 exported")
    return network


def autoencoder(*, start: str | Path | None, generator: Mapping[str, Any], encoder: Mapping[str, Any]) -> Autoencoder:
    """Build a trainable autoencoder, new or from a bundle.

    Args:
        start: bundle of an autoencoder, rebuilt from its own configuration; None for a new one.
        generator: constructor arguments of a new autoencoder's generator; ignored with ``start``.
        encoder: constructor arguments of a new autoencoder's encoder; ignored with ``start``.

    Raises:
        VeraError: the bundle cannot be read or holds something else.

    """
    if start is None:
        return Autoencoder(generator=_plain(generator), encoder=_plain(encoder), bank=0)
    network = _trainable(start)
    if not isinstance(network, Autoencoder):
        raise VeraError(f"'{start}' is a bundle of {type(network).__name__}, not of an Autoencoder: start from one of this stage")
    if network.mapped:
        raise VeraError(f"the encoder of '{start}' was trained for a frozen generator: go on with stage=inversion, which keeps it frozen")
    network.empty_bank()  # identities are mixed again at the export
    return network


def inversion(*, start: str | Path | None, passes: int, encoder: Mapping[str, Any]) -> Autoencoder:
    """Load a bundle for stage 3: trainable encoder, frozen generator.

    Args:
        start: bundle of a generator, which gets a new encoder (:func:`encoded`), or of an autoencoder; required.
        passes: number of passes that the encoder will take.
        encoder: constructor arguments of a new encoder; ignored for an autoencoder.

    Raises:
        VeraError: no bundle is named, it cannot be read or holds something else, or its encoder cannot take so many passes.

    """
    if start is None:
        raise VeraError("stage 3 inverts a trained generator: name the bundle of a generator or of an autoencoder, stage.start=BUNDLE")
    network = _trainable(start)
    if isinstance(network, Generator):
        network = encoded(network, encoder)
    if not isinstance(network, Autoencoder):
        raise VeraError(f"'{start}' is a bundle of {type(network).__name__}: stage 3 starts from a generator or an autoencoder")
    network.empty_bank()  # identities are drawn or mixed again at the export
    network.generator.requires_grad_(False)
    network.take_passes(passes)
    return network


def encoded(network: Generator, encoder: Mapping[str, Any]) -> Autoencoder:
    """Put a new encoder in front of a generator (of stage 1, of stage 2 or converted), prepared for the codes of its mapping.

    Args:
        network: generator with a trained mapping; attribute controls are left out.
        encoder: constructor arguments of the encoder.

    Raises:
        VeraError: the generator has no mapping.

    """
    plain = {name: value for name, value in network.config.items() if name != "controls"}
    made = Autoencoder(generator=plain, encoder=_plain(encoder), bank=0, truncation=TRUNCATION)
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("regressors.")}
    made.generator.load_state_dict(state, strict=True)
    made.draw_bank(count=1, truncation=TRUNCATION, seed=0)  # for the mean codes
    draws = Draws(0, torch.device("cpu"))
    batches: list[tuple[Tensor, Tensor]] = []
    codes: list[LatentCodes] = []
    for first in range(0, BEGINNING, BATCH):
        drawn = drawn_codes(made.generator, draws, "encoder", range(first, first + BATCH))
        with torch.no_grad():
            face = made.generator(drawn)
        batches.append((face.image.clamp(-1, 1), one_hot(face.segmentation)))
        codes.append(drawn)
    every = LatentCodes(torch.cat([one.local for one in codes]), torch.cat([one.attributes for one in codes]))
    made.encoder.begin(every, batches)
    return made


def adversary(*, wanted: bool, config: Mapping[str, Any]) -> nn.Module | None:
    """A new discriminator, if one is wanted; see :func:`discriminator`."""
    return discriminator(start=None, config=config) if wanted else None


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Convert OmegaConf containers to plain ones, since a checkpoint carries them."""
    container: Any = OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else dict(config)
    return {str(name): value for name, value in container.items()}


def _trainable(start: str | Path) -> nn.Module:
    """A bundle's network as its constructor makes it: in training mode, and frozen only where it freezes parts itself."""
    loaded: Any = bundle.load(start)
    network: nn.Module = type(loaded)(**loaded.config)
    network.load_state_dict(loaded.state_dict(), strict=True)
    return network
