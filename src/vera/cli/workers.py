"""Worker processes that are dealt jobs one at a time; whatever kills one of them, its job is done by another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from vera.cli.stopping import SIGNALS
from vera.processes import end_with_parent
from vera.types import VeraError

Job = TypeVar("Job")
Result = TypeVar("Result")
AHEAD = 4
"""DECISION: jobs a worker that may be finished before the oldest unfinished one: so many results wait for their turn at most."""
STARTS = 3
"""DECISION: workers in a row that may die while they load."""
LEAVING = 5.0
"""Seconds that a process that has closed its pipe may take to end."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables by which libraries know their number of threads when they are imported."""


class Pool(contextlib.AbstractContextManager["Pool[Job, Result]"], Generic[Job, Result]):
    """Processes that each prepare themselves once, then do jobs until the context ends.

    A process is spawned, so that it inherits no threads or locks, and shares a pipe with this one only. It ends when this one does,
    even if that is killed.

    Args:
        start: function that prepares a process and returns what does the jobs; can be pickled, as can jobs and results.
        workers: number of processes, at least 1.
        threads: threads of each process, for libraries that read their number when they are imported.
        again: whether a job with this result is to be tried once more.
        lost: the result of a job whose process died twice, from the job and the reason.

    """

    def __init__(
        self,
        start: Callable[[], Callable[[Job], Result]],
        *,
        workers: int,
        threads: int,
        again: Callable[[Result], bool],
        lost: Callable[[Job, str], Result],
    ) -> None:
        self._start, self._again, self._lost = start, again, lost
        self._environment = dict.fromkeys(THREADS, str(threads))
        self._unready = 0
        self._workers: list[_Worker] = []
        self._count = workers

    def __enter__(self) -> Pool[Job, Result]:
        for _ in range(self._count):
            self._workers.append(_Worker(self._start, self._environment))
        return self

    def __exit__(self, *what: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes now."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def map(self, jobs: Iterable[Job]) -> Iterator[Result]:
        """Do jobs, and yield the results in the jobs' order; a job is taken when a worker is free, and not far ahead of the results.

        Raises:
            VeraError: the processes can't prepare themselves.

        """
        source, waiting = iter(jobs), deque[_Ticket[Job]]()
        done: dict[int, Result] = {}
        taken = given = 0
        while True:
            for worker in self._workers:
                if worker.ticket is None and not waiting and taken < given + AHEAD * self._count:
                    for job in source:
                        waiting.append(_Ticket(taken, job))
                        taken += 1
                        break
                if worker.ticket is None and waiting:
                    worker.give(waiting.popleft())
            while given in done:
                yield done.pop(given)
                given += 1
            if not any(worker.ticket for worker in self._workers):
                if given == taken and not waiting:
                    return
                continue
            heard = wait([worker.connection for worker in self._workers])
            for number in [number for number, worker in enumerate(self._workers) if worker.connection in heard]:
                ticket, result = self._hear(number)
                if ticket and result is None:
                    waiting.appendleft(ticket)
                elif ticket and result is not None:
                    done[ticket.number] = result

    def _hear(self, number: int) -> tuple[_Ticket[Job] | None, Result | None]:
        """Hear a worker: a ticket and its result, a ticket without one that is to be given again, or nothing."""
        worker = self._workers[number]
        try:
            kind, said = worker.connection.recv()
        except (EOFError, OSError):
            return self._bury(number)
        if kind == "broken":
            raise VeraError(said)
        if kind == "ready":
            worker.ready, self._unready = True, 0
            return None, None
        ticket, worker.ticket = worker.ticket, None
        if ticket and self._again(said) and ticket.tries == 0:
            ticket.tries += 1
            return ticket, None
        return ticket, said

    def _bury(self, number: int) -> tuple[_Ticket[Job] | None, Result | None]:
        """Replace a worker that died, and decide about its job."""
        worker = self._workers[number]
        worker.process.join(LEAVING)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        code = worker.process.exitcode or 0
        why = f"its worker process was ended by {signal.Signals(-code).name}" if code < 0 else f"its worker process ended with {code}"
        if not worker.ready:
            self._unready += 1
            if self._unready >= STARTS * self._count:
                raise VeraError(f"the worker processes end while they load ({why}): use fewer with --workers, or see `vera doctor`")
        self._workers[number] = _Worker(self._start, self._environment)
        ticket = worker.ticket
        if ticket is None or not worker.ready:
            return ticket, None
        ticket.tries += 1
        if ticket.tries < 2:
            return ticket, None
        return ticket, self._lost(ticket.job, f"{why}, twice: if memory ran out, use fewer with --workers")


class _Ticket(Generic[Job]):
    """A job with its number and how often it was tried."""

    def __init__(self, number: int, job: Job) -> None:
        self.number, self.job, self.tries = number, job, 0


class _Worker:
    """One process, and this side of its pipe."""

    def __init__(self, start: Callable[[], Callable[[Any], Any]], environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, start), daemon=True)
        others = {name: os.environ.get(name) for name in environment}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the process inherits it: Ctrl-C is this one's business
        os.environ |= environment
        try:
            self.process.start()
        finally:
            for name, value in others.items():
                del os.environ[name]
                os.environ |= {} if value is None else {name: value}
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that the pipe ends with the process
        self.ready = False
        self.ticket: _Ticket[Any] | None = None

    def give(self, ticket: _Ticket[Any]) -> None:
        self.ticket = ticket
        with contextlib.suppress(OSError):  # it died a moment ago: its end is heard next
            self.connection.send(ticket.job)


def _serve(connection: Connection, start: Callable[[], Callable[[Any], Any]]) -> None:
    """A worker's life: prepare, do jobs, end with the process that started it."""
    end_with_parent()
    try:
        do = start()
    except VeraError as error:
        connection.send(("broken", str(error)))
        return
    connection.send(("ready", None))
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(("done", do(connection.recv())))
