"""The process that holds the networks, so that the page stays alive while it works; they are loaded once."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from vera.processes import end_with_parent
from vera.serve.engine import Engine, Watch
from vera.types import VeraError

PATIENCE = 20.0
"""DECISION: seconds until a call that was cancelled, and does not stop, ends with its process."""
MEMORY = "there is not enough memory: close other programs, or take smaller photographs"


class Cancelled(Exception):
    """The call was cancelled; nothing of it was written."""


class Worker:
    """One process and the calls to it, one at a time.

    A call is cancelled as ``vera anonymize`` is stopped by Ctrl-C: by SIGINT, which leaves no image behind. The process ends with this one,
    however this one ends. One that died is started again with the next call.

    Args:
        make_engine: function that loads the networks, importable by name, since the process is a new one.

    """

    def __init__(self, make_engine: Callable[[], Engine]) -> None:
        self.make_engine = make_engine
        self._process: Any = None
        self._connection: Connection | None = None
        self._guard = threading.Lock()
        self._ready = self._busy = self._unwanted = False
        self._stopping: threading.Timer | None = None

    @property
    def pid(self) -> int | None:
        """Number of the process; None before it is started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, unless it is there; it loads the networks at once."""
        if self._process is not None and self._process.is_alive():
            return
        context = multiprocessing.get_context("spawn")  # a fork would take the page's open connections along
        ours, theirs = context.Pipe()
        self._process = context.Process(target=answer_calls, args=(theirs, self.make_engine), name="vera-serve-worker", daemon=True)
        self._process.start()
        theirs.close()
        self._connection, self._ready = ours, False

    def prepare(self) -> None:
        """Forget what was said of earlier calls, before the next one can be interrupted."""
        with self._guard:
            self._unwanted = False

    def call(self, what: str, *arguments: Any, tell: Watch) -> Any:
        """Call a method of the engine, and wait for its end.

        Args:
            what: name of a method of :class:`vera.serve.engine.Engine`.
            arguments: its arguments but ``tell``.
            tell: told of every step, in this thread.

        Raises:
            VeraError: what the engine raised, or the process died.
            Cancelled: :meth:`interrupt` stopped it.

        """
        self.start()
        assert self._connection is not None
        try:
            if not self._ready:
                self._ready = self._connection.recv()[0] == "ready"
            with self._guard:
                if self._unwanted:
                    raise Cancelled
                self._connection.send((what, arguments))
                self._busy = True
            kind, value = self._connection.recv()
            while kind == "step":
                tell(*value)
                kind, value = self._connection.recv()
        except (EOFError, OSError) as error:
            stopped = self._stopping is not None
            self._process.join(PATIENCE)
            if stopped:
                raise Cancelled from error
            raise VeraError(
                "the process that works on the photographs ended, perhaps for want of memory: make the call again, with smaller photographs"
            ) from error
        finally:
            with self._guard:
                self._busy = False
                if self._stopping:
                    self._stopping.cancel()
                self._stopping = None
        if kind == "done":
            return value
        raise Cancelled if kind == "cancelled" else VeraError(value)

    def interrupt(self) -> None:
        """Cancel the call that is being made; one that does not stop within :data:`PATIENCE` ends with its process.

        While the networks are loaded the call has not begun: then it never does.
        """
        with self._guard:
            self._unwanted = True
            if self._busy and not self._stopping:
                os.kill(self._process.pid, signal.SIGINT)
                self._stopping = threading.Timer(PATIENCE, self._process.kill)
                self._stopping.daemon = True
                self._stopping.start()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()


def answer_calls(connection: Connection, make_engine: Callable[[], Engine]) -> None:
    """Load the networks, then answer calls until the other end is gone.

    Args:
        connection: this end of the pipe.
        make_engine: function that loads the networks.

    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the page's process, which ends this one
    end_with_parent()
    engine: Engine | None = None
    fault: VeraError | None = None
    try:
        engine = make_engine()
    except VeraError as error:
        fault = error
    connection.send(("ready", None))
    while True:
        try:
            what, arguments = connection.recv()
        except (EOFError, OSError):
            return
        if engine is None:
            connection.send(("failed", str(fault)))
            continue
        connection.send(_answered(connection, getattr(engine, what), arguments))
        give_back_memory()


def give_back_memory() -> None:
    """Give the memory of a call that has ended back to the system: glibc keeps what lies between pieces that are still used."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)


def _answered(connection: Connection, method: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """The answer to a call: its kind, and a value or a sentence."""

    def tell(what: str, done: int, budget: int) -> None:
        connection.send(("step", (what, done, budget)))

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return "done", method(*arguments, tell=tell)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):  # a second one that waited
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return "cancelled", None
    except VeraError as error:
        return "failed", str(error)
    except MemoryError:
        return "failed", MEMORY
    except Exception as error:  # its message may name files
        return "failed", f"an unforeseen {type(error).__name__}: please report it"
