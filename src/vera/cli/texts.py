"""Texts that the command line is given: many are stored (in audits, bundles, records of runs), so they must be text that can be shown.

An operating system hands over bytes, and Python keeps those that are no UTF-8 as half a surrogate pair, which no JSON file can hold.
"""

from __future__ import annotations

import os
from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command whose texts are checked before it runs. Every command of ``vera`` is one."""

    def invoke(self, ctx: Any) -> Any:
        """Check, then run.

        Raises:
            VeraError: what :func:`check_text` raises.

        """
        for parameter in self.params:
            value = ctx.params.get(parameter.name)
            for text in value if isinstance(value, list | tuple) else [value]:
                if isinstance(text, str):  # a path is a Path: files may have any name
                    check_text(text, parameter.opts[0] if parameter.param_type_name == "option" else "the argument")
        for text in ctx.args:  # Hydra's part of the line
            check_text(text, "the argument")
        return super().invoke(ctx)


def check_text(text: str, what: str) -> None:
    """Raise a VeraError for text that can't be shown on one line; names of files that are there, several with commas, may be anything.

    Args:
        text: text as it was given.
        what: the option or argument, for the message.

    """
    from vera.files import printable  # only here: a wrong option is refused before any text is checked

    for part in text.split(","):
        if printable(part) != part and not os.path.exists(part):
            from vera.types import VeraError

            raise VeraError(f"{what} '{printable(part)}' has signs that can't be shown: use letters, digits, spaces and points, in UTF-8")
