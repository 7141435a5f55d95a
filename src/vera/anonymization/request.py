"""Options of an anonymization and their default values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vera.faces.given_face import GivenFace
from vera.faces.region_choice import Region, require_one_photograph
from vera.types import Semantic, VeraError
from vera.untrusted import shown

SUGGESTED = 400
"""Steps of SemanticStyleGAN's inversion: what is advised where there is no encoder."""
WITHOUT_ENCODER = ("Generator", "ControlledGenerator")
"""Classes of generators that come without an encoder (:data:`vera.bundle.LOADABLE`)."""


@dataclass(frozen=True)
class Options:
    """The choices of an anonymization.

    Attributes:
        preserve: semantic classes kept bit for bit in every photograph.
        regions: parts of the face, boxes and polygons kept bit for bit; a box or polygon only with a single photograph.
        hair: replace the hair too.
        face: number of the face to take in a photograph that shows several: 1 for the largest, 2 for the next. None: refuse such a
            photograph.
        leave_others: the other faces of such a photograph may stay as they are; without it ``face`` is refused too.
        given: the face, where detection does not find it; only with a single photograph. None: it is looked for.
        upright: treatment of a photograph whose face is found in another quarter turn: ``refuse``, or ``auto``: it is turned upright,
            pixel for pixel, and its output stays so.
        unsupported: treatment of a photograph that the renderer cannot work on (no face is found, it is cut off or turned too far,
            spectacles): ``refuse`` the person; ``cover``: the face, or all but the drawn region where no face is found, becomes black;
            ``keep``: a photograph in which no detector finds any part of a face stays as it is, all others are refused.
        kind: identity group, where a bundle's bank has several (see :class:`vera.inversion.autoencoder.Autoencoder`); None: the one whose
            faces are nearest to the person's (see :class:`vera.anonymization.kinds.Kinds`).
        seed: the same seed, person and photographs give the same identity; None draws a seed from the operating system and records it.
        truncation: scale of the identity's deviation from the mean face; 1 is as various as the bundle's bank, 0 one face for all. None:
            the bundle's own (:attr:`vera.inversion.banked.BankedGenerator.truncation`).
        refine_steps: optimisation steps of the inversion, after the encoder, or without one from the mean codes.
        harmonize_steps: optimisation steps that fit the identity to the surroundings of the replaced regions.
        attempts: number of identities to try before the person is refused.

    Examples:
        >>> from vera.anonymization.request import Options
        >>> from vera.types import Semantic
        >>> Options(preserve=(Semantic.MOUTH,), seed=7).face is None  # a photograph of several people is refused
        True

    """

    preserve: tuple[Semantic, ...] = ()
    regions: tuple[Region, ...] = ()
    hair: bool = False
    face: int | None = None
    leave_others: bool = False
    given: GivenFace | None = None
    upright: str = "refuse"
    unsupported: str = "refuse"
    kind: str | None = None
    seed: int | None = None
    truncation: float | None = None
    refine_steps: int = 0  # DECISION: refined codes fit their own photograph better, and mix worse with an identity: patches on the skin
    harmonize_steps: int = 10  # DECISION: a few seconds on two cores; most of the fit comes in the first ten
    attempts: int = 6  # DECISION: more would let the recogniser choose, not check

    def __post_init__(self) -> None:
        if self.face is not None and self.face < 1:
            raise VeraError(f"face {self.face}: faces are numbered from 1 (the largest)")
        if self.given is not None and (self.face is not None or self.upright == "auto"):
            raise VeraError("--landmarks says which face it is, and that it is upright: leave --face and --upright auto out")
        if self.upright not in ("refuse", "auto"):
            raise VeraError(f"upright '{self.upright}': choose refuse or auto")
        if self.unsupported not in ("refuse", "cover", "keep"):
            raise VeraError(f"unsupported '{self.unsupported}': choose refuse, cover or keep")
        if self.attempts < 1:
            raise VeraError(f"attempts {self.attempts}: allow at least 1")
        if min(self.refine_steps, self.harmonize_steps) < 0:
            raise VeraError("steps of refinement and harmonization must be 0 or more")
        if self.truncation is not None and not 0 <= self.truncation <= 4:
            raise VeraError(f"truncation {self.truncation}: choose a value from 0 to 4")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise VeraError(f"seed {self.seed}: choose a whole number from 0 to 2^63 - 1")

    def require_fits(self, count: int) -> None:
        """Raise a VeraError for a box, polygon or given face unless there is one photograph, which it belongs to."""
        require_one_photograph(self.regions, count)
        if self.given is not None and count != 1:
            raise VeraError(
                "--landmarks says where the face is in one photograph: make a call for each, with --save-identity and --identity"
            )

    def require_clip(self) -> None:
        """Raise a VeraError for a choice that the frames of a clip cannot have."""
        shapes = [f"--preserve {region}" for region in self.regions if region.is_shape]
        made = {
            "--landmarks": self.given is not None,
            "--face": self.face is not None,
            "--leave-others": self.leave_others,
            "--upright auto": self.upright != "refuse",
            "--unsupported": self.unsupported != "refuse",
            **dict.fromkeys(shapes, True),
        }
        if chosen := [name for name, given in made.items() if given]:
            raise VeraError(f"{chosen[0]} is for photographs: leave it out for a clip, which must show one upright face in every frame")

    def require_inversion(self, kind: str, bundle: Path | str) -> None:
        """Check that there is a way to the photographs' codes, if the bundle's network needs them.

        Args:
            kind: name of the network's class.
            bundle: its folder, for the message.

        Raises:
            VeraError: a generator without an encoder and no steps of optimisation, or exemplars with such steps.

        """
        if kind in WITHOUT_ENCODER and not self.refine_steps:
            raise VeraError(
                f"the bundle '{shown(bundle)}' holds a generator without an encoder: invert by optimisation, --refine-steps {SUGGESTED}, "
                "or train an encoder first, vera train stage=inversion"
            )
        if kind == "ExemplarBank" and self.refine_steps:
            raise VeraError("--refine-steps: exemplars are fitted, not inverted; leave it out, or take --renderer generator")

    @property
    def preserved_names(self) -> list[str]:
        """Names of the classes and regions that are kept, as the command line takes them, for the audit."""
        return [*(known.name.lower() for known in self.preserve), *map(str, self.regions)]


def unnamed(digests: Iterable[str]) -> str:
    """Derive an id for an unnamed person from the digests of the photographs; their order does not matter.

    DECISION: so the same photographs and seed give the same face, and two patients never share one.

    Args:
        digests: SHA-256 of each photograph, see :class:`vera.types.Photograph`.

    """
    return "unnamed-" + hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]
