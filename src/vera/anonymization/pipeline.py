"""The anonymization pipeline for one person: find faces, parse, draw an identity, render, verify."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vera.anonymization.audit import Clock, choices, opening, outcome
from vera.anonymization.clip import each_frame, numbered, steady_faces, steady_parses, told_once
from vera.anonymization.faceless import FacelessScene, faceless_scene
from vera.anonymization.renderer import Renderer, Request, SavedIdentity
from vera.anonymization.request import Options
from vera.anonymization.scene import Chosen, find_face, parsed_face, scene_of
from vera.anonymization.series import open_series
from vera.anonymization.uprightness import uprighted
from vera.anonymization.verification import Verifier
from vera.bundle import BundleInfo
from vera.faces.detection import Detector
from vera.faces.parsing import Parser
from vera.faces.recognition import Recogniser
from vera.faces.turns import TurnDetector
from vera.files import plain
from vera.rng import seeds_up_to
from vera.types import AnonymizedPerson, Mask, Photograph, Progress, Refused, Unsupported, VeraError

__all__ = ["Progress", "VeraAnonymizer", "WithIdentity"]


SEED_BITS = 53
"""Bits of a drawn seed: browsers and other readers of JSON hold no longer whole number exactly, and would show and repeat another one."""


@dataclass(frozen=True)
class WithIdentity(AnonymizedPerson):
    """An anonymized person and the identity that was given, for a later visit."""

    identity: SavedIdentity | None = None


class VeraAnonymizer:
    """Anonymizes all photographs of one person with one identity, or refuses; implements :class:`vera.types.Anonymizer`.

    Args:
        renderer: renderer that makes the new faces.
        detector: face detector with 68 landmarks.
        parser: segments an aligned face.
        recognisers: one recogniser or more; all must agree that the person is not recognised.
        options: the choices of the call.
        others: further detectors, which look for turned faces and for the person anywhere in an output.

    """

    def __init__(
        self,
        renderer: Renderer,
        *,
        detector: Detector,
        parser: Parser,
        recognisers: Sequence[Recogniser],
        options: Options,
        others: Sequence[TurnDetector] = (),
    ) -> None:
        self.others = list(others)
        if not recognisers:
            raise VeraError("anonymization needs at least one recogniser to verify with")
        renderer.check(options)
        self.renderer, self.detector, self.parser, self.recognisers, self.options = renderer, detector, parser, list(recognisers), options

    def with_options(self, options: Options) -> VeraAnonymizer:
        """The same parts with other choices, so that networks are loaded once for many calls.

        Args:
            options: the choices of the next call.

        Raises:
            VeraError: the renderer can't do what the options ask for.

        """
        made = VeraAnonymizer(self.renderer, detector=self.detector, parser=self.parser, recognisers=self.recognisers, options=options)
        made.others = self.others
        return made

    @property
    def bundle(self) -> BundleInfo | None:
        """Record of the renderer's bundle; None where no face is drawn."""
        return self.renderer.info

    @property
    def _backends(self) -> dict[str, str]:
        return {"detector": self.detector.name, "parser": self.parser.name}

    def made(self, record: Mapping[str, Any]) -> bool:
        """Whether an earlier audit's record of a person is of this anonymizer's choices, networks and libraries, without a saved identity.

        Without a seed among the options any drawn seed will do.
        """
        draws = self.bundle is not None
        seed = (record.get("seed") if self.options.seed is None else self.options.seed) if draws else None
        known = choices(
            seed=seed, given=False, renderer=self.renderer.name, bundle=self.bundle, options=self.options, backends=self._backends
        )
        names = ("name", "threshold", "refusal_threshold")
        judges = [{name: getattr(judge, name) for name in names} for judge in self.recognisers]
        asked = [{name: judge.get(name) for name in names} for judge in record["verification"]["recognisers"]]
        return bool(plain(judges) == asked) and all(record.get(name) == value for name, value in plain(known).items())

    def __call__(
        self,
        photographs: Sequence[Photograph],
        *,
        person: str,
        masks: Sequence[Mask | None] | None = None,
        identity: SavedIdentity | None = None,
        progress: Progress | None = None,
        clip: bool = False,
    ) -> WithIdentity:
        """Anonymize all photographs of one person.

        Args:
            photographs: this person's photographs, at least one.
            person: an id; another id, another face.
            masks: masks ``(H, W)`` to preserve beside the named classes, one for each photograph (None: nothing more).
            identity: an identity saved at an earlier visit; it is used exactly as saved, in a single attempt. None: draw one
                from (seed, person).
            progress: a function that is told of every step; None for no reports.
            clip: the photographs are the frames of a clip, in the order of time, and what is measured in them is smoothed over time.

        Raises:
            VeraError: a photograph or mask that cannot be used.
            Refused: no identity passed the verification; its ``audit`` says why.

        """
        masks = list(masks) if masks is not None else [None] * len(photographs)
        if not photographs or len(masks) != len(photographs):
            raise VeraError(
                f"{len(photographs)} photographs and {len(masks)} masks: give at least one photograph, and a mask or None for each"
            )
        self.options.require_fits(len(photographs))
        draws = self.bundle is not None
        if identity is not None:
            if self.bundle is None:
                raise VeraError(f"--identity: the method {self.renderer.name} draws no new face, leave it out")
            identity.require_bundle(self.bundle.digest)
        names = [photograph.name for photograph in photographs]
        clock = Clock()
        told: list[str] = []
        with clock("find"):
            if self.options.upright == "auto":
                upright = [uprighted(self.detector, *given, self.others) for given in zip(photographs, masks, strict=True)]
                photographs, masks = [one for one, _, _ in upright], [mask for _, mask, _ in upright]
                told = [sentence for _, _, sentences in upright for sentence in sentences]
            looked = each_frame(lambda given: self._face(*given), list(zip(photographs, masks, strict=True)), clip=clip)
            found = [one for one in looked if isinstance(one, Chosen)]
            faces = [one.face if isinstance(one, Chosen) else None for one in looked]
            if clip:
                faces = list(steady_faces([face for face in faces if face]))
            faceless = {number: one for number, one in enumerate(looked) if not isinstance(one, Chosen)}
        with clock("verify"):
            verifier = Verifier(
                photographs,
                faces,
                detector=self.detector,
                recognisers=self.recognisers,
                others=self.others,
                seen=[one.seen if isinstance(one, Chosen) else () for one in looked],
                new_face=draws,
            )
        doubts = _one_person(verifier, found)
        if clip and doubts[1:]:
            doubts = [f"{doubts[0]} (and {len(doubts) - 1} more pairs of frames)"]
        warnings = told + [warning for one in found for warning in one.warnings] + doubts
        with clock("regions"):
            shown = [(one, mask, face) for one, mask, face in zip(photographs, masks, faces, strict=True) if face]
            parsed = [parsed_face(one, face.landmarks, self.parser) for one, _, face in shown]
            if clip:
                steady = steady_parses([segmentation for _, segmentation in parsed])
                parsed = [(aligned, segmentation) for (aligned, _), segmentation in zip(parsed, steady, strict=True)]
            scenes = each_frame(
                lambda given: scene_of(given[0][0], *given[1], mask=given[0][1], options=self.options),
                list(zip(shown, parsed, strict=True)),
                clip=clip,
            )
        drawn = seeds_up_to(secrets.randbits(SEED_BITS)).start if self.options.seed is None and draws else self.options.seed or 0
        seed = identity.seed if identity else drawn
        request = Request(scenes, seed, person, identity, self.recognisers, verifier.sources, self.options, clock, progress, clip)
        case = open_series(self.renderer, request, faceless=faceless, photographs=photographs)
        if draws and case.renderer.info is None:
            draws = verifier.new_face = False
            if identity is not None:
                raise VeraError(f"--identity: the renderer {self.renderer.name} can make none of these photographs, leave it out")
        audit = opening(
            case.parts,
            person=person,
            seed=seed if draws else None,
            given=identity is not None,
            renderer=case.renderer.name,
            source_type=case.renderer.source_type,
            bundle=case.renderer.info,
            options=self.options,
            backends=self._backends,
            warnings=told_once([*warnings, *case.warnings], names) if clip else [*warnings, *case.warnings],
        )
        for attempt in range(1, 2 if identity or not draws else self.options.attempts + 1):
            chosen = identity or case.identity(attempt)
            with clock("generate"):
                outputs = case.render(chosen)
            with clock("verify"):
                verdict = verifier.judge(outputs, case.handlings)
            audit |= outcome(verdict.record, attempt, chosen, searched=case.facts()) | {"seconds": clock.seconds}
            if verdict.passed:
                return WithIdentity(person, outputs, audit, chosen if draws else None)
            reasons = told_once(verdict.reasons, names) if clip else verdict.reasons
            audit["warnings"].append(f"attempt {attempt} refused: " + "; ".join(reasons))
        tried = audit["attempt"]
        failing = [n for n, name in enumerate(names, 1) if any(reason.startswith(f"{name}: ") for reason in verdict.reasons)]
        where = f" because of the frames {numbered(failing)}" if clip and failing else ""
        raise Refused(
            f"'{person}' is refused after {tried} attempt{'s' if tried > 1 else ''}{where}, nothing is written; "
            f"last reason: {verdict.reasons[0]}",
            audit,
        )

    def _face(self, photograph: Photograph, mask: Mask | None) -> Chosen | tuple[FacelessScene, str]:
        """The face to anonymize; for a photograph without one its cover, or itself, and why, if the options allow it."""
        try:
            return find_face(self.detector, photograph, self.options, self.others)
        except Unsupported as error:
            if self.options.unsupported == "refuse":
                raise
            return faceless_scene(photograph, mask, self.options, self.detector, self.others), str(error)


def _one_person(verifier: Verifier, found: Sequence[Chosen]) -> list[str]:
    """Warnings where the sources may show several people; a VeraError where a face was chosen by its size, so that it may be the wrong one.

    DECISION: single faces are not refused: surgery and years can take a face as far from itself.
    """
    doubts = verifier.strangers()
    if doubts and any(one.among > 1 for one in found):
        raise VeraError(
            f"--face may have chosen different people: {doubts[0]}; crop the photographs to the one face, or make a call for each"
        )
    return [f"{doubt}: make sure that all photographs show the same person" for doubt in doubts]
