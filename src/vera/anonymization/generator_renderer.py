"""The paper's renderer: invert the photographs, replace local codes by one identity's, harmonize."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vera.anonymization.assembly import assemble, kept_rows
from vera.anonymization.colour import tone
from vera.anonymization.compositing import Rendering, composite
from vera.anonymization.harmonization import Surroundings, harmonize
from vera.anonymization.identity import Identity, draw
from vera.anonymization.kinds import Kinds
from vera.anonymization.placement import Floats
from vera.anonymization.proportions import reshape
from vera.anonymization.renderer import Request, SavedIdentity
from vera.anonymization.request import Options
from vera.anonymization.scene import Scene
from vera.bundle import BundleInfo
from vera.faces.alignment import align, resample
from vera.faces.detection import Detector
from vera.faces.marking import EDITED_BY_GENERATIVE_AI
from vera.features.perceptual import PerceptualDistance
from vera.inversion.autoencoder import Autoencoder
from vera.inversion.mapped import IDENTITIES, SEED, MappedGenerator
from vera.inversion.objective import InversionObjective
from vera.inversion.refinement import FROM_MEAN, REFINEMENT, refine
from vera.rng import derived_seed
from vera.types import Anonymized, LatentCodes, Progress, Semantic, VeraError, to_probabilities

WIDENING = 0.1
"""DECISION: each further attempt draws from faces farther from the mean by this share: what stays of the photograph (hair, outline, the
preserved region) makes some people hard to leave."""


class GeneratorRenderer:
    """Renders with a network that encodes and generates; implements :class:`vera.anonymization.renderer.Renderer`.

    Args:
        network: a frozen autoencoder, loaded from its bundle, or a generator without an encoder: then photographs are inverted by
            optimisation alone.
        detector: shows the bundle's own faces to a recogniser, to tell their groups apart.
        perceptual: distance network for refinement and harmonization; the embedded one if None.

    """

    name = "generator"
    source_type = EDITED_BY_GENERATIVE_AI

    def __init__(self, network: Autoencoder | MappedGenerator, *, detector: Detector, perceptual: PerceptualDistance | None = None) -> None:
        self.network, self.detector = network, detector
        self.device = next(network.parameters()).device
        self.perceptual = (perceptual or PerceptualDistance()).to(self.device)
        self.kinds: Kinds | None = None  # takes the first recogniser it is used with

    @property
    def info(self) -> BundleInfo:
        """Record of the network's bundle."""
        return cast(BundleInfo, self.network.info)

    def check(self, options: Options) -> None:
        """Raise a VeraError for a group that the bundle's bank does not know, and where there is no way to a photograph's codes."""
        self.network.identities(options.kind)
        options.require_inversion("Generator" if isinstance(self.network, MappedGenerator) else "Autoencoder", self.info.path)

    def open(self, request: Request) -> GeneratorCase:
        """Invert a person's photographs."""
        if request.identity is not None:
            if not isinstance(request.identity, Identity):
                raise VeraError("this identity was drawn by another renderer: use the renderer of the first visit (--renderer)")
            request.identity.require_codes(tuple(self.network.mean.shape))
        case = GeneratorCase(self, request)
        with request.clock("invert"):
            case.invert()
        with request.clock("kind"):
            case.kind = None if request.identity else request.options.kind or self._kind(case.codes, request)
        return case

    def _kind(self, codes: LatentCodes, request: Request) -> str | None:
        first = request.recognisers[0]
        if self.kinds is None or self.kinds.recogniser is not first:
            self.kinds = Kinds(self.network, detector=self.detector, recogniser=first)
        return self.kinds.nearest(codes, [embedding for views in request.sources[0] for embedding in views])


class Inputs(NamedTuple):
    """A person's photographs as the network takes them.

    Attributes:
        images: ``(B, 3, S, S)`` in [-1, 1].
        segmentations: ``(B, K, S, S)`` class probabilities.
        replaced: ``(B, 1, S, S)``: which share of each aligned pixel is replaced.
        kept: ``(B, 2 + 2K)``: rows of codes that stay the photograph's.
        tones: median colours of the faces' skin: of the old faces three numbers pass on, no more.

    """

    images: Tensor
    segmentations: Tensor
    replaced: Tensor
    kept: Tensor
    tones: list[Floats | None]


class GeneratorCase:
    """One person's photographs, inverted."""

    codes: LatentCodes
    kind: str | None = None
    warnings: Sequence[str] = ()

    def __init__(self, renderer: GeneratorRenderer, request: Request) -> None:
        self.renderer, self.request, self.scenes = renderer, request, request.scenes

    @cached_property
    def inputs(self) -> Inputs:
        """The photographs at the network's size."""
        network, device, hair = self.renderer.network, self.renderer.device, self.request.options.hair
        size, rows, attributes = network.size, len(network.mean), bool(network.generator.attributes)
        images = [align(scene.photograph, scene.face.landmarks, size) for scene in self.scenes]
        segmentations = [F.adaptive_avg_pool2d(scene.parsed[None], size)[0] for scene in self.scenes]
        shares = [_share(scene, face.to_photograph, size) for scene, face in zip(self.scenes, images, strict=True)]
        return Inputs(
            torch.stack([face.image for face in images]).to(device),
            torch.stack(segmentations).to(device),
            torch.stack(shares).to(device),
            torch.stack([kept_rows(scene.kept_classes, hair=hair, rows=rows, attributes=attributes) for scene in self.scenes]).to(device),
            [tone(face.image, segmentation) for face, segmentation in zip(images, segmentations, strict=True)],
        )

    def invert(self) -> None:
        """Find the photographs' codes."""
        network, steps = self.renderer.network, self.request.options.refine_steps
        images, segmentations = self.inputs.images, self.inputs.segmentations
        with torch.no_grad():
            codes = network.encode(images, segmentations)
        if steps:
            weights, centre = (FROM_MEAN, network.usual_codes(1)) if network.mapped else (REFINEMENT, None)
            objective = InversionObjective(weights=weights, perceptual=self.renderer.perceptual, centre=centre)
            improve = partial(refine, network, images, segmentations, codes, objective=objective, axes=network.axes)
            if self.request.progress is not None:
                started = time.perf_counter()
                improve(steps=1)  # the result is not used: a step is timed, so that the time can be said before it is spent
                forecast = duration(steps * (time.perf_counter() - started))
                self.request.progress(f"inverting by {steps} steps of optimisation, about {forecast}", 0, 0)
            codes = improve(steps=steps, progress=_named(self.request.progress, "inverting", steps))
        self.codes = codes.map(Tensor.detach)

    def identity(self, attempt: int) -> Identity:
        """Draw an identity and harmonize it with all photographs together."""
        request, renderer = self.request, self.renderer
        options, network = request.options, renderer.network
        usual = network.truncation if options.truncation is None else options.truncation
        truncation = usual * (1 + WIDENING * (attempt - 1))
        bank, mean = network.identities(self.kind)
        skin = self.codes.local[:, LatentCodes.rows([Semantic.SKIN])[1]].mean(dim=0)
        digest, seed, person = renderer.info.digest, request.seed, request.person
        drawn = draw(bank, mean, skin=skin, bundle=digest, seed=seed, person=person, attempt=attempt, truncation=truncation)
        if options.harmonize_steps == 0:
            return drawn
        with request.clock("harmonize"):
            local = harmonize(
                network.generator,
                self.codes,
                drawn.local.to(renderer.device),
                self.inputs.kept,
                Surroundings.of(self.inputs.images, self.inputs.segmentations, self.inputs.replaced),
                unit=bank.float().std(dim=0),
                steps=options.harmonize_steps,
                perceptual=renderer.perceptual,
                progress=_named(request.progress, f"harmonizing face {attempt}", options.harmonize_steps),
            )
        return replace(drawn, local=local.cpu(), harmonized=True)

    def render(self, identity: SavedIdentity) -> list[Anonymized]:
        """The photographs with this identity."""
        own, seed = cast(Identity, identity), derived_seed(self.request.seed, self.request.person, "grain")
        with torch.no_grad():
            synthesis = self.renderer.network.generator(assemble(self.codes, own.local.to(self.renderer.device), self.inputs.kept))
        probabilities = to_probabilities(synthesis.segmentation)
        outputs = []
        for number, scene in enumerate(self.scenes):
            share = self.inputs.replaced[number]
            image, segmentation = reshape(synthesis.image[number], probabilities[number], own.proportions, share)
            rendering = Rendering(image, segmentation, self.inputs.tones[number])
            pixels = composite(scene.photograph, scene.face, scene.parsed, rendering, scene.replaced, seed=derived_seed(seed, number))
            outputs.append(Anonymized(scene.photograph.name, pixels, scene.preserved, scene.replaced))
        return outputs

    def facts(self) -> dict[str, Any]:
        """The group of the identity, and that nothing was searched: the recognisers only judge; of a mapping, how the bank was drawn."""
        facts: dict[str, Any] = {"kind": self.kind, "candidates": 1}
        if isinstance(self.renderer.network, MappedGenerator):
            facts["bank"] = {"identities": IDENTITIES, "seed": SEED}
        return facts


def _share(scene: Scene, to_photograph: Any, size: int) -> Tensor:
    """``(1, S, S)``."""
    return torch.from_numpy(np.ascontiguousarray(resample(scene.replaced, to_photograph, size)))[None].clamp(0, 1)


def duration(seconds: float) -> str:
    """A time in words, as exact as a forecast can be.

    Examples:
        >>> from vera.anonymization.generator_renderer import duration
        >>> duration(0.2), duration(49), duration(400)
        ('1 s', '49 s', '7 min')

    """
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"


def _named(progress: Progress | None, what: str, budget: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(what, done, budget)
