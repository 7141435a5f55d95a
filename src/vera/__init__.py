"""VerA: versatile anonymization applicable to clinical face photographs.

The public interface is small: :func:`load` (a bundle's network), :func:`anonymize` (photographs of one person) and :func:`evaluate`
(anonymizers on many people). They are imported when first asked for, so that ``import vera`` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vera.anonymization.interface import anonymize
    from vera.bundle import load
    from vera.evaluation.api import evaluate

__version__ = "0.1.0"
__all__ = ["__version__", "anonymize", "evaluate", "load"]

_HOMES = {"anonymize": "vera.anonymization.interface", "evaluate": "vera.evaluation.api", "load": "vera.bundle"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vera' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
