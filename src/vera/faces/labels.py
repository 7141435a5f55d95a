"""CelebAMask-HQ's labels, which data sets and parsers of the field use, as this project's classes."""

from __future__ import annotations

from vera.types import Semantic

CELEBAMASK = {
    "skin": Semantic.SKIN,
    "eye_g": Semantic.GLASSES,
    "l_eye": Semantic.EYES,
    "r_eye": Semantic.EYES,
    "l_brow": Semantic.BROWS,
    "r_brow": Semantic.BROWS,
    "mouth": Semantic.MOUTH,
    "l_lip": Semantic.MOUTH,
    "u_lip": Semantic.MOUTH,
    "nose": Semantic.NOSE,
    "hair": Semantic.HAIR,
    "l_ear": Semantic.EARS,
    "r_ear": Semantic.EARS,
    "neck": Semantic.NECK,
    "neck_l": Semantic.NECK,
    "cloth": Semantic.CLOTHES,
    "hat": Semantic.HAT,
    "ear_r": Semantic.EARRINGS,
}
"""Parts of a face, in the order in which their masks are painted over each other (Shi et al., CVPR 2022); a necklace (``neck_l``) is
part of the neck. What no mask covers is background."""
ORDERS = {
    "celebamask-hq": "background skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck cloth",
    "face-parsing": "background skin l_brow r_brow l_eye r_eye eye_g l_ear r_ear ear_r mouth u_lip l_lip nose neck neck_l cloth hair hat",
}
"""Two common numberings: the dataset's own, and the one of the repository face-parsing.PyTorch and what descends from it."""


def numbered(order: str) -> list[Semantic]:
    """The class of each label number of a parser.

    Args:
        order: a key of :data:`ORDERS`.

    """
    return [CELEBAMASK.get(label, Semantic.BACKGROUND) for label in ORDERS[order].split()]
