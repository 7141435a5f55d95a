"""Threads that share a machine: how OpenMP's wait, and how many there are under a quota.

OpenMP's threads spin between two pieces of work. Beside other processes, or in a container that may use fewer processors than it
sees, the spinning takes the processors from the work that is waited for. Torch's OpenMP and the linear algebra of NumPy read their
environment once, when they are imported, so this comes before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from vera.processes import processors

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""How threads wait: OpenMP's own setting, and those of GNU's and of LLVM's library, which both follow the first."""
COUNTS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
"""How many threads there are: OpenMP's, which the linear algebra follows, and OpenCV's."""


def share_machine(environment: MutableMapping[str, str], *, root: Path = Path("/"), count: bool = True) -> None:
    """Let waiting threads sleep, and start no more than the quota feeds; what the user has set stays.

    Args:
        environment: environment variables of this process, such as ``os.environ``.
        root: root of the file system, with ``proc`` and ``sys``.
        count: whether the number of threads is chosen, too; not for jobs that run on another machine.

    """
    if not any(name in environment for name in WAITING):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    if count and (share := quota(root)) is not None and math.ceil(share) < processors():
        for name in COUNTS:
            environment.setdefault(name, str(max(1, math.ceil(share))))


def work_alone(environment: MutableMapping[str, str]) -> None:
    """Start one thread, for work that several hardly shorten and that waits for all of them beside other processes; a set number stays.

    Args:
        environment: environment variables of this process, such as ``os.environ``; read when torch and OpenCV are imported.

    """
    for name in COUNTS:
        environment.setdefault(name, "1")


def quota(root: Path = Path("/")) -> float | None:
    """Processors that the control groups of this process may use at once; None where nothing limits them.

    Args:
        root: root of the file system, with ``proc`` and ``sys``.

    """
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    """Quotas of the process's control group and of those around it, in versions 1 and 2."""
    for line in _words(root / "proc/self/cgroup", "\n"):
        controllers, path = line.split(":", 2)[1:]
        second = not controllers
        if not second and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("" if second else "cpu")
        group = top / path.strip("/")
        for folder in (group, *group.parents):  # a container sees its own group as the top, whatever its path says
            if second:
                used, period = [*_words(folder / "cpu.max"), "", ""][:2]
            else:
                used, period = ("".join(_words(folder / f"cpu.cfs_{part}_us")) for part in ("quota", "period"))
            if used.isdigit() and period.isdigit() and int(period):  # "max" and -1 are no limit
                yield int(used) / int(period)
            if folder == top:
                break


def _words(file: Path, separator: str | None = None) -> list[str]:
    """Parts of a file of the system; none where there is no such file."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return [word for word in text.split(separator) if word]
