"""Turn signals that stop a call into exceptions, at a moment at which they do no harm."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C; what ``docker stop``, a cluster or a service manager sends; a closed terminal."""


class Stopping:
    """While this context lasts, SIGTERM and SIGHUP are raised as Ctrl-C is, so that everything is cleaned up.

    The exit code is 130 after SIGINT and 128 + the signal's number after the others. A signal that the caller had ignored (``nohup``)
    stays ignored. Outside the main thread nothing is changed, since signals never arrive there.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._held = False
        self._waiting: int | None = None

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block has ended, well or not: for blocks that take milliseconds and must not be cut in two."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._arrived(waiting, None)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._waiting = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + number)
