"""The command line: ``vera anonymize``, ``vera doctor``, ``vera train``, ``vera evaluate``, ``vera report`` and more.

Exit codes: 0 done, 1 something is wrong with this installation (or a programming error), 2 bad input, 3 refused by the
verification (of many people: somebody was not written; ``vera verify``: a fault was found), 130, 143 or 129 interrupted (Ctrl-C,
SIGTERM, SIGHUP).
"""

from __future__ import annotations

import os
import sys

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_REFUSED, EXIT_INTERRUPTED = 1, 2, 3, 130


def main() -> None:
    """Run ``vera``; an error is one sentence on stderr. ``VERA_DEBUG=1`` shows the traceback instead."""
    from vera.cli.app import run

    try:
        run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if os.environ.get("VERA_DEBUG") == "1":
            raise
        from vera.cli.errors import told

        said, code = told(error)
        sys.stderr.write(f"vera: {said}\n")
        sys.exit(code)
