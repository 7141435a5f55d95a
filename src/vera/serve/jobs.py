"""The queue: calls to the worker, one after the other; looking at a photograph comes before anonymizing."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from vera.serve.engine import Engine, Watch
from vera.serve.worker import Worker

LOOK, RUN = 0, 1
"""Urgencies: somebody waits before the page for what a look finds."""


def _untold(what: str, done: int, budget: int) -> None:
    """Steps of a look are not shown."""


@dataclass(order=True)
class Task:
    """A call that waits or is being made.

    Attributes:
        urgency: smaller ones come first.
        number: order of the calls.
        what: name of the engine's method.
        arguments: arguments of the method.
        watch: told of every step, in the queue's thread.
        started: told that the call is being made now.
        result: future of its result or its exception.

    """

    urgency: int
    number: int
    what: str = field(compare=False)
    arguments: tuple[Any, ...] = field(compare=False)
    watch: Watch = field(compare=False)
    started: Callable[[], None] = field(compare=False)
    result: Future[Any] = field(compare=False, default_factory=Future)


class Jobs:
    """A thread that makes the calls by one :class:`vera.serve.worker.Worker`.

    Args:
        make_engine: function that loads the networks, importable by name.

    """

    def __init__(self, make_engine: Callable[[], Engine]) -> None:
        self.worker = Worker(make_engine)
        self._waiting: queue.PriorityQueue[Task] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._running: Task | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="vera-serve-jobs", daemon=True)
        self._thread.start()

    def submit(
        self, what: str, *arguments: Any, urgency: int = LOOK, watch: Watch = _untold, started: Callable[[], None] = lambda: None
    ) -> Task:
        """Put a call into the queue."""
        task = Task(urgency, next(self._numbers), what, arguments, watch, started)
        self._waiting.put(task)
        return task

    def cancel(self, task: Task) -> None:
        """Take a call out of the queue, or stop it while it is being made."""
        if not task.result.cancel():
            with self._guard:
                if self._running is task:
                    self.worker.interrupt()

    def close(self) -> None:
        """End the worker and the thread."""
        self._waiting.put(Task(-1, next(self._numbers), "", (), _untold, lambda: None))
        self.worker.close()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        with contextlib.suppress(OSError):  # no process can be made: the first call says so
            self.worker.start()
        while True:
            task = self._waiting.get()
            if task.urgency < LOOK:
                return
            if not task.result.set_running_or_notify_cancel():
                continue
            with self._guard:
                self.worker.prepare()
                self._running = task
            try:
                task.started()
                value = self.worker.call(task.what, *task.arguments, tell=task.watch)
            except Exception as error:
                task.result.set_exception(error)
            else:
                task.result.set_result(value)
            finally:
                with self._guard:
                    self._running = None
