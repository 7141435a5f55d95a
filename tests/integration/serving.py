"""`vera serve` as a process of its own, and requests to it as scripts make them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

TOKEN = "a-token-of-the-tests-of-the-page"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def serving(*more, env=None):
    """A server that is ready: its address and its process; SIGTERM ends it, unless it has ended."""
    port = free_port()
    command = [sys.executable, "-m", "vera.cli", "serve", "--port", str(port), "--token", TOKEN, *map(str, more)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **(env or {})}) as server:
        try:
            assert f"http://127.0.0.1:{port}/?token={TOKEN}" in server.stdout.readline()
            yield f"http://127.0.0.1:{port}", server
        finally:
            if server.poll() is None:
                server.terminate()  # SIGINT is ignored where a shell started the tests in the background
            server.wait(timeout=600)


def ask(address, method, path, body=None):
    """The answer's bytes."""
    asked = urllib.request.Request(f"{address}/api/people/{path}", body, {"authorization": f"Bearer {TOKEN}"}, method=method)
    with urllib.request.urlopen(asked) as answer:
        return answer.read()


def run(address, person, /, **choices):
    """A person's state at the end of a call."""
    return json.loads(ask(address, "POST", f"{person}/run?wait=true", json.dumps(choices).encode()))


def children(process):
    """Numbers of the processes that a process started, from any of its threads, on Linux."""
    return [int(number) for listed in Path(f"/proc/{process}/task").glob("*/children") for number in listed.read_text().split()]


def resident(process):
    """Bytes of a process in memory, on Linux."""
    with open(f"/proc/{process}/status") as told:
        return next(int(line.split()[1]) * 1024 for line in told if line.startswith("VmRSS:"))


def wait_for(asked):
    """Wait until a function gives something true; the test's own limit of time is the only one."""
    while not (found := asked()):
        threading.Event().wait(0.02)
    return found
