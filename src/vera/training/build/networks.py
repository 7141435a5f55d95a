"""Build the networks that a run starts with: new ones, or those of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from vera import bundle
from vera.generator.discriminator import Discriminator
from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.generator.projected import ProjectedDiscriminator
from vera.inversion.autoencoder import Autoencoder
from vera.types import VeraError


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

    Raises:
        VeraError: the bank is empty.

    """
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
    network.empty_bank()  # identities are mixed again at the export
    return network


def inversion(*, start: str | Path | None, passes: int) -> Autoencoder:
    """Load a bundle's autoencoder for stage 3: trainable encoder, frozen generator.

    Args:
        start: bundle of an autoencoder; required.
        passes: number of passes that the encoder will take.

    Raises:
        VeraError: no bundle is named, it cannot be read or holds something else, or its encoder cannot take so many passes.

    """
    if start is None:
        raise VeraError("stage 3 inverts a trained generator: name the bundle of an autoencoder, stage.start=BUNDLE")
    network = autoencoder(start=start, generator={}, encoder={})
    network.generator.requires_grad_(False)
    network.take_passes(passes)
    return network


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
