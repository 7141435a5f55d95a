"""The project's vocabulary: the types that pass between its packages, with shapes, ranges and units.

Pixel coordinates follow OpenCV: ``(x, y)``, the centre of the first pixel is ``(0, 0)``. Images inside a network are
``(3, S, S)`` float tensors in ``[-1, 1]``; photographs are ``(H, W, 3)`` uint8 arrays, RGB, upright, in sRGB.

Torch is imported by the two functions that need it: the command line refuses bad arguments without waiting for it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[str, int, int], None]
"""A function that is told of progress: the current activity, the number of steps done, and their total; a total of 0: an announcement."""
Pixels = npt.NDArray[np.uint8]
"""``(H, W, 3)`` RGB."""
Mask = npt.NDArray[np.bool_]
"""``(H, W)``."""
Points = npt.NDArray[np.float64]
"""``(N, 2)`` pixel coordinates (x, y)."""
Matrix = npt.NDArray[np.float64]
"""``(N, D)`` or ``(N,)`` numbers: one row, or one value, for each item."""


class VeraError(Exception):
    """Bad input or a missing part: one clear sentence that says what to do. The command line prints it and exits with 2."""


class Refused(VeraError):
    """An anonymization that failed its verification: nothing is written for this person. Exit code 3."""

    def __init__(self, message: str, audit: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.audit: dict[str, Any] = dict(audit or {})


class Unsupported(VeraError):
    """A photograph that the renderer cannot work on: no face is found, or it is turned too far (``--unsupported``)."""

    def __init__(self, message: str, photograph: Photograph) -> None:
        super().__init__(message)
        self.photograph = photograph


class Semantic(IntEnum):
    """The 13 classes of a segmentation, in SemanticStyleGAN's order (CelebAMask-HQ re-mapped)."""

    BACKGROUND = 0
    SKIN = 1
    EYES = 2
    BROWS = 3
    MOUTH = 4
    NOSE = 5
    EARS = 6
    HAIR = 7
    NECK = 8
    CLOTHES = 9
    GLASSES = 10
    HAT = 11
    EARRINGS = 12

    @classmethod
    def named(cls, name: str) -> Semantic:
        """Look a class up by its lower-case name.

        Raises:
            VeraError: for an unknown name; says which class holds what is asked for, and lists all.

        Examples:
            >>> from vera.types import Semantic
            >>> Semantic.named("mouth")
            <Semantic.MOUTH: 4>
            >>> Semantic.named("teeth")
            Traceback (most recent call last):
            vera.types.VeraError: unknown semantic class 'teeth': the class that holds it is 'mouth', or draw a mask of it alone; ...

        """
        known = ", ".join(c.name.lower() for c in cls)
        if not isinstance(name, str):
            raise VeraError(f"{name!r} is no semantic class: give names from {known}")
        asked = name.strip().upper()
        if asked in cls.__members__:
            return cls[asked]
        words = re.split(r"[\W_]+", asked.lower())
        holds = next((whole for part, whole in PARTS_OF.items() if part in words), None)
        near = difflib.get_close_matches(asked.lower(), [c.name.lower() for c in cls], n=1)
        if holds:
            advice = f"the class that holds it is '{holds}', or draw a mask of it alone"
        else:
            advice = f"did you mean '{near[0]}'" if near and holds is None else "draw a mask of it"
        raise VeraError(f"unknown semantic class '{name}': {advice}; the classes are {known}")


PARTS_OF = {
    **dict.fromkeys(("tooth", "teeth", "dentition", "gum", "gums", "gingiva", "lip", "lips", "tongue", "smile"), "mouth"),
    **dict.fromkeys(("eye", "eyelid", "eyelids", "eyelash", "lashes", "iris", "pupil", "sclera", "eyeball"), "eyes"),
    **dict.fromkeys(("brow", "eyebrow", "eyebrows"), "brows"),
    **dict.fromkeys(("nostril", "nostrils", "columella", "septum"), "nose"),
    **dict.fromkeys(("ear", "earlobe", "auricle"), "ears"),
    **dict.fromkeys(("cheek", "cheeks", "chin", "forehead", "jaw", "face", "scar", "mole", "beard", "moustache"), ""),
}
"""Names of parts without a class of their own, and the class that holds them; empty for parts of the skin, which is too large to keep."""
NUM_CLASSES = len(Semantic)
TRANSPARENT = (Semantic.GLASSES, Semantic.EARRINGS)
"""Classes that do not hide what lies under them (SemanticStyleGAN, section 3.2)."""
FACE = (Semantic.SKIN, Semantic.EYES, Semantic.BROWS, Semantic.MOUTH, Semantic.NOSE, Semantic.EARS, Semantic.GLASSES, Semantic.EARRINGS)
"""Classes that are replaced by default; hair is by option."""
BARE_FACE = (Semantic.SKIN, Semantic.EYES, Semantic.BROWS, Semantic.MOUTH, Semantic.NOSE)
"""Classes of the face without ears and without what is worn."""
FACE_SKIN = (Semantic.SKIN, Semantic.NOSE)
"""Classes that show bare skin of the face."""
FACE_FEATURES = (Semantic.EYES, Semantic.BROWS, Semantic.MOUTH)
"""Classes of the bare face that are no skin."""


@dataclass(frozen=True, repr=False)
class Photograph:
    """A photograph decoded once: upright (EXIF orientation applied), 8 bit, sRGB.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB.
        name: file stem, used for output names.
        digest: SHA-256 of the file's bytes (of the pixels for one made in memory).
        warnings: facts of the file that somebody should look at, for the audit.
        quarter_turns: anticlockwise quarter turns that made the decoded file upright, 0 to 3.

    """

    pixels: Pixels
    name: str
    digest: str
    warnings: tuple[str, ...] = ()
    quarter_turns: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, ``(H, W)``."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def __repr__(self) -> str:
        height, width = self.size
        return f"Photograph({self.name!r}, {width} x {height})"


@dataclass(frozen=True)
class AlignedFace:
    """A square crop in the FFHQ alignment with its way back.

    Attributes:
        image: ``(3, S, S)`` float in [-1, 1].
        to_photograph: ``(2, 3)`` float64, aligned pixel coordinates to photograph pixel coordinates (exact, a similarity).
        landmarks: ``(68, 2)`` float64 in *photograph* pixels (iBUG order).

    """

    image: Tensor
    to_photograph: npt.NDArray[np.float64]
    landmarks: Points

    @property
    def size(self) -> int:
        """Side S in pixels."""
        return int(self.image.shape[-1])

    @property
    def from_photograph(self) -> npt.NDArray[np.float64]:
        """``(2, 3)``: photograph pixel coordinates to aligned pixel coordinates."""
        a, t = self.to_photograph[:, :2], self.to_photograph[:, 2]
        inverse = np.linalg.inv(a)
        return np.hstack([inverse, -(inverse @ t)[:, None]])


@dataclass(frozen=True)
class LatentCodes:
    """Latent codes of a batch: the only data that pass between encoder, identity and generator.

    Attributes:
        local: ``(B, 2 + 2K, D)``: two shared base codes, then shape and texture code of each class
            (rows ``2 + 2k`` and ``3 + 2k`` for class k).
        attributes: ``(B, A)``: the attribute codes concatenated; A = 0 for a generator without attributes.

    Examples:
        >>> import torch
        >>> from vera.types import LatentCodes, Semantic
        >>> codes = LatentCodes(local=torch.zeros(1, 28, 8), attributes=torch.zeros(1, 0))
        >>> LatentCodes.rows([Semantic.HAIR])
        [16, 17]
        >>> codes.map(lambda tensor: tensor.repeat(2, *[1] * (tensor.ndim - 1))).local.shape
        torch.Size([2, 28, 8])

    """

    local: Tensor
    attributes: Tensor

    @staticmethod
    def rows(classes: Sequence[int]) -> list[int]:
        """Rows of :attr:`local` that hold these classes' shape and texture codes."""
        return [row for k in classes for row in (2 + 2 * int(k), 3 + 2 * int(k))]

    def with_local(self, local: Tensor) -> LatentCodes:
        """Replace the local codes; the attribute codes stay the same."""
        return replace(self, local=local)

    def map(self, function: Any) -> LatentCodes:
        """Apply a tensor function (``detach``, ``to`` a device, indexing) to both parts."""
        return LatentCodes(function(self.local), function(self.attributes))

    def __len__(self) -> int:
        return int(self.local.shape[0])


def to_probabilities(segmentation: Tensor) -> Tensor:
    """Convert a generator's segmentation (2p - 1, unbounded) to class probabilities.

    The one way out of the generator's range: ``(s + 1) / 2``, clamped, renormalised.

    Args:
        segmentation: ``(B, K, H, W)``.

    Returns:
        ``(B, K, H, W)`` in [0, 1], sums to 1 over K.

    Examples:
        >>> import torch
        >>> from vera.types import to_probabilities
        >>> to_probabilities(torch.tensor([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1)).flatten().round(decimals=3)
        tensor([0.6670, 0.0000, 0.3330])

    """
    positive = ((segmentation + 1) / 2).clamp(min=1e-6)
    return positive / positive.sum(dim=-3, keepdim=True)


@dataclass(frozen=True, repr=False)
class Anonymized:
    """One anonymized photograph.

    Attributes:
        name: the photograph's name.
        image: ``(H, W, 3)`` uint8, the photograph's size.
        preserved: ``(H, W)`` bool, True = equal to the photograph bit for bit.
        replaced: ``(H, W)`` bool, True = no source pixel left.
        hair_edge: ``(H, W)`` bool, True = kept hair mixed again over the new face, neither preserved nor replaced; None for no such band.

    """

    name: str
    image: Pixels
    preserved: Mask
    replaced: Mask
    hair_edge: Mask | None = None

    @property
    def covered(self) -> Mask:
        """``(H, W)`` bool: what may differ from the photograph, the replaced region and the hair edge."""
        return self.replaced if self.hair_edge is None else self.replaced | self.hair_edge

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        kept, new = self.preserved.mean(), self.replaced.mean()
        return f"{type(self).__name__}({self.name!r}, {width} x {height}, {kept:.1%} preserved, {new:.1%} replaced)"


@dataclass(frozen=True)
class AnonymizedPerson:
    """All photographs of one person, with the record of how they were made."""

    person: str
    photographs: list[Anonymized]
    audit: dict[str, Any] = field(default_factory=dict, repr=False)


class Anonymizer(Protocol):
    """Protocol of anonymizers: VerA's own, or a baseline of the evaluation."""

    def __call__(self, photographs: Sequence[Photograph], *, person: str) -> AnonymizedPerson:
        """Anonymize all photographs of one person.

        Raises:
            Refused: when the result does not pass the anonymizer's own verification.

        """
        ...


def image_to_tensor(pixels: Pixels) -> Tensor:
    """Convert an ``(H, W, 3)`` uint8 image to a ``(3, H, W)`` float32 tensor in [-1, 1].

    Examples:
        >>> import numpy as np
        >>> from vera.types import image_to_tensor
        >>> image_to_tensor(np.full((2, 2, 3), 255, dtype=np.uint8)).max()
        tensor(1.)

    """
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 127.5 - 1


def tensor_to_image(image: Tensor) -> Pixels:
    """Convert a ``(3, H, W)`` float tensor in [-1, 1] (clamped) to an ``(H, W, 3)`` uint8 image.

    Examples:
        >>> import torch
        >>> from vera.types import tensor_to_image
        >>> tensor_to_image(torch.ones(3, 4, 5)).shape
        (4, 5, 3)

    """
    import torch

    scaled = ((image.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(1, 2, 0).numpy())
