"""The Python interface: ``vera.anonymize``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from vera.anonymization.exemplar_identity import ExemplarIdentity, load_identity
from vera.anonymization.exemplar_renderer import ExemplarRenderer
from vera.anonymization.generator_renderer import GeneratorRenderer
from vera.anonymization.identity import Identity
from vera.anonymization.obscuring_renderer import ObscuringRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.renderer import Renderer, SavedIdentity
from vera.anonymization.request import Options, unnamed
from vera.bundle import default_bundle, exemplar_bundle, load
from vera.exemplars.bank import ExemplarBank
from vera.faces.calibration import DEFAULT_FAR
from vera.faces.detection import DlibDetector
from vera.faces.masks import read_mask
from vera.faces.parser_choice import choose_parser
from vera.faces.photograph import photograph_from_pixels, read_photograph
from vera.faces.recogniser_choice import choose_recognisers
from vera.faces.region_choice import Region, parse_region, split_classes
from vera.faces.turns import quick_detectors
from vera.generator.network import Generator
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.mapped import MappedGenerator
from vera.types import Anonymized, Mask, Photograph, Pixels, Semantic, VeraError

Source = str | Path | Pixels | Photograph
"""A photograph as the Python interface takes it."""

MaskSource = str | Path | Mask
"""A drawn region as the Python interface takes it."""

MASK = "give a path, an (H, W) bool array or None for each photograph"


@dataclass(frozen=True, repr=False)
class Result(Anonymized):
    """One anonymized photograph with its record, as the Python interface gives it.

    Attributes:
        audit: the record of the person: the same for all photographs of a call.
        identity: the new face, for a later visit; the same, too.

    """

    audit: dict[str, Any] = field(default_factory=dict)
    identity: SavedIdentity | None = None


RENDERERS = ("exemplars", "generator")


def embedded(
    bundle: str | Path | None,
    device: str,
    options: Options,
    *,
    renderer: str | None = None,
    method: str | None = None,
    parser: str | Path | None = None,
    recognisers: Sequence[str] = (),
    far: float = DEFAULT_FAR,
    leave_out_person: bool = False,
) -> VeraAnonymizer:
    """The anonymizer that needs no download: a bundle and the embedded face parts.

    Args:
        bundle: folder of a bundle; the one that ships with the package for this renderer if None.
        device: device that the networks run on.
        options: the choices of the call.
        renderer: ``exemplars`` or ``generator``; None: what the bundle is for, exemplars without one.
        method: ``cover``, ``blur`` or ``pixelate`` instead of a new face; None for a renderer. It takes no bundle.
        parser: another parser than the default one, see :func:`vera.faces.parser_choice.choose_parser`.
        recognisers: recognisers beside the embedded ones, as for :func:`vera.faces.recogniser_choice.choose_recognisers`.
        far: false-accept rate of the embedded recognisers' thresholds.
        leave_out_person: do not use rows of the bank that the person of a call (by id) went into; for evaluation on the donors.

    Raises:
        VeraError: the bundle or a part's weights are missing or damaged, the bundle is not for this renderer, an unknown recogniser or
            rate, or a method beside a renderer or bundle.

    """
    if method is not None and (renderer is not None or bundle is not None):
        raise VeraError(f"the method {method} draws no new face: leave out renderer and bundle, or the method")
    if renderer not in (None, *RENDERERS):
        raise VeraError(f"unknown renderer '{renderer}': choose from {', '.join(RENDERERS)}")
    judges = choose_recognisers(recognisers, far=far, device=device)
    detector = DlibDetector()
    if method is not None:
        made: Renderer = ObscuringRenderer(method)
    else:
        made = _drawing(bundle, device, renderer, detector=detector, leave_out_person=leave_out_person)
    seeing = choose_parser(parser, device=device)
    return VeraAnonymizer(made, detector=detector, parser=seeing, recognisers=judges, options=options, others=quick_detectors(detector))


def _drawing(
    bundle: str | Path | None, device: str, renderer: str | None, *, detector: DlibDetector, leave_out_person: bool
) -> ExemplarRenderer | GeneratorRenderer:
    """The renderer that a bundle is for.

    Raises:
        VeraError: the bundle is missing, damaged, or for another renderer.

    """
    network = load(bundle or (default_bundle() if renderer == "generator" else exemplar_bundle()), device=device)
    made: ExemplarRenderer | GeneratorRenderer
    if isinstance(network, ExemplarBank):
        made = ExemplarRenderer(network, leave_out_person=leave_out_person)
    elif isinstance(network, Autoencoder):
        made = GeneratorRenderer(network, detector=detector)
    elif isinstance(network, Generator):
        made = GeneratorRenderer(MappedGenerator(network), detector=detector)
    else:
        raise VeraError(
            f"the bundle '{bundle}' holds a {type(network).__name__}: `vera anonymize` takes exemplars, an autoencoder or a generator"
        )
    if renderer not in (None, made.name):
        raise VeraError(f"the bundle '{bundle}' is for --renderer {made.name}, not {renderer}: leave one of the two out")
    return made


def anonymize(
    photographs: Source | Sequence[Source],
    *,
    preserve: str | Semantic | Sequence[str | Semantic] = (),
    masks: MaskSource | Sequence[MaskSource | None] | None = None,
    identity: int | str | Path | SavedIdentity | None = None,
    person: str | None = None,
    bundle: str | Path | None = None,
    renderer: str | None = None,
    method: str | None = None,
    parser: str | Path | None = None,
    device: str = "cpu",
    recognisers: Sequence[str] = (),
    far: float = DEFAULT_FAR,
    **options: Any,
) -> list[Result]:
    """Anonymize all photographs of one person: keep the named regions bit for bit, replace the rest of the face.

    Args:
        photographs: one person's photographs: paths, ``(H, W, 3)`` uint8 RGB arrays or :class:`~vera.types.Photograph` objects.
        preserve: semantic classes and regions to keep bit for bit, as the command line takes them (``mouth``, ``left_eye``, ``lips+3mm``,
            ``box:x,y,w,h``), or as :class:`~vera.types.Semantic`.
        masks: drawn regions to keep, one for each photograph: a path, an ``(H, W)`` bool array or None.
            A single one need not be in a list.
        identity: a seed, a saved identity (or its file), or None for a face nobody can draw again.
        person: an id; another id, another face. None: derived from the photographs, as the command line does.
        bundle: folder of a bundle; the one that ships with the package if None.
        renderer: ``exemplars`` (photographic; the default) or ``generator`` (the paper's); None: what the bundle is for.
        method: ``cover``, ``blur`` or ``pixelate``: hide the face instead of drawing a new one, with the same verification.
        parser: ``shipped``, ``landmarks``, the folder of a parser's bundle or an ONNX file; the default one if None.
        device: device that the networks run on.
        recognisers: further recognisers for the verification, beside the embedded ones: ``insightface:PACK`` or the path of an
            ONNX file each.
        far: false-accept rate of the embedded recognisers' thresholds.
        options: further fields of :class:`~vera.anonymization.request.Options`.

    Returns:
        One result for each photograph, in the order given.

    Raises:
        VeraError: input that cannot be used.
        Refused: the result did not pass the verification.

    Examples:
        >>> import vera
        >>> from skimage import data
        >>> portrait = data.astronaut()[:300, 80:380]
        >>> (result,) = vera.anonymize([portrait], preserve=["mouth"], person="p1", identity=7)
        >>> bool((result.image == portrait)[result.preserved].all())
        True
        >>> bool((result.image != portrait)[result.replaced].any())
        True

    """
    given = _listed("photographs", photographs, str | Path | np.ndarray | Photograph, "give paths, (H, W, 3) uint8 arrays or photographs")
    read = [_read(source, f"photograph{number}") for number, source in enumerate(given, 1)]
    drawn = None if masks is None else _masks(_listed("masks", masks, str | Path | np.ndarray | None, MASK), read)
    named = _listed("preserve", preserve, str | Semantic, "give names of classes such as 'mouth', or () for none")
    regions = [Region(known.name.lower()) if isinstance(known, Semantic) else parse_region(known) for known in named]
    seed, saved = _seed_or_identity(identity)
    _check_options(options)
    classes, others = split_classes(regions)
    wanted = Options(preserve=classes, regions=others, seed=seed, **options)
    anonymizer = embedded(bundle, device, wanted, renderer=renderer, method=method, parser=parser, recognisers=recognisers, far=far)
    made = anonymizer(read, person=person or unnamed(photograph.digest for photograph in read), masks=drawn, identity=saved)
    return [Result(**vars(one), audit=made.audit, identity=made.identity) for one in made.photographs]


def _listed(name: str, given: Any, kind: Any, advice: str) -> list[Any]:
    """One thing or several as a list.

    Raises:
        VeraError: one of them is of another kind.

    """
    listed = list(given) if isinstance(given, Iterable) and not isinstance(given, kind) else [given]
    if not all(isinstance(one, kind) for one in listed):
        raise VeraError(f"{name}={' '.join(repr(given).split())[:60]} cannot be used: {advice}")
    return listed


def _read(source: Source, name: str) -> Photograph:
    if isinstance(source, Photograph):
        return source
    return photograph_from_pixels(source, name) if isinstance(source, np.ndarray) else read_photograph(Path(source))


def _masks(masks: Sequence[MaskSource | None], photographs: Sequence[Photograph]) -> list[Mask | None]:
    if len(masks) != len(photographs):
        raise VeraError(f"{len(photographs)} photographs and {len(masks)} masks: give a mask or None for each photograph")
    return [
        read_mask(mask, photograph.size) if isinstance(mask, str | Path) else mask
        for mask, photograph in zip(masks, photographs, strict=True)
    ]


def _seed_or_identity(identity: object) -> tuple[int | None, SavedIdentity | None]:
    if isinstance(identity, Integral) and not isinstance(identity, bool):
        return int(identity), None
    if isinstance(identity, str | Path):
        return None, load_identity(identity)
    if identity is None or isinstance(identity, ExemplarIdentity | Identity):
        return None, identity
    raise VeraError(f"identity {identity!r}: give a seed (a whole number), a saved identity or its file, or None")


def _check_options(options: dict[str, Any]) -> None:
    if "seed" in options:
        raise VeraError("give the seed as identity=, not as seed=")
    known = sorted({known.name for known in fields(Options)} - {"preserve", "regions", "seed"})
    for name in options:
        if name not in known:
            raise VeraError(f"unknown option '{name}': choose from {', '.join(known)}")
