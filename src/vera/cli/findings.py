"""Findings of ``vera doctor``, and the trial of a part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "optional", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        part: what was looked at.
        state: ``ok`` (it was tried and works), ``optional`` (absent, VerA works without it), ``warning``, or ``broken``.
        detail: what was found, or how to get it.
        licence: of the part or its weights, where there is something to know.

    """

    part: str
    state: State
    detail: str
    licence: str = ""


def attempt(part: str, trial: Callable[[], str], *, licence: str = "", otherwise: State = "broken", remedy: str = "") -> Finding:
    """Try a part out.

    Args:
        part: name of the part in the report.
        trial: uses the part and says what it saw; any exception means that the part doesn't work.
        licence: what to know about its licence.
        otherwise: the state when it fails.
        remedy: how to get it, for failures that don't say so themselves.

    """
    try:
        return Finding(part, "ok", trial(), licence)
    except Exception as error:  # whatever breaks a part is what the report is about
        reason = " ".join(str(error).split()) or type(error).__name__
        return Finding(part, otherwise, f"{reason}; {remedy}" if remedy else reason, licence)
