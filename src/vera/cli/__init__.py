"""The command line: ``vera anonymize``, ``vera doctor``, ``vera train``, ``vera evaluate``, ``vera report`` and more.

Exit codes: 0 done, 1 something is wrong with this installation (or a programming error), 2 bad input, 3 refused by the
verification (of many people: somebody was not written), 130 interrupted.
"""

from __future__ import annotations

import os
import sys

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 2, 3, 130


def main() -> None:
    """Run ``vera``; what a user can put right is one line on stderr, everything else is a traceback.

    ``VERA_DEBUG=1`` shows tracebacks for all of them.
    """
    from vera.cli.app import app

    try:
        app(prog_name="vera")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        code = exit_code(error)
        if code is None or os.environ.get("VERA_DEBUG") == "1":
            raise
        sys.stderr.write(f"vera: {error}\n")
        sys.exit(code)


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that a user can put right; None for any other."""
    from vera.types import Refused, VeraError  # here, since it imports torch: `vera --help` must not wait for that

    if isinstance(error, Refused):
        return EXIT_REFUSED
    return EXIT_BAD_INPUT if isinstance(error, VeraError) else None
