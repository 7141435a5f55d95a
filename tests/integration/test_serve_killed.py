"""A server that is killed leaves nothing that runs, and the next one removes every photograph."""

import socket
import sys

import pytest
import skimage.data
from PIL import Image
from tests.integration.serving import TOKEN, ask, children, serving, wait_for

pytest.importorskip("starlette", reason="the extra `web` is not installed: no page to test")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are read from /proc, which Linux has")
LOCK = ".vera-serve-lock"


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def test_no_photograph_is_left_after_a_kill_and_a_restart(tmp_path):
    """While a photograph is kept, a call waits for the networks, and another photograph is still on its way."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    Image.fromarray(skimage.data.astronaut()[0:320, 80:380]).save(tmp_path / "before.png")
    with serving(env={"TMPDIR": str(temporary)}) as (address, server):
        ask(address, "PUT", "p1/photographs/before.png", (tmp_path / "before.png").read_bytes())
        ask(address, "POST", "p1/run", b"{}")
        host = address.removeprefix("http://")
        with socket.create_connection(tuple(host.split(":"))) as half:
            head = [
                "PUT /api/people/p2/photographs/a.jpg HTTP/1.1",
                f"Host: {host}",
                f"Authorization: Bearer {TOKEN}",
                "Content-Length: 9999",
            ]
            half.sendall("\r\n".join([*head, "", "a patient" * 99]).encode())
            wait_for(lambda: any(name.startswith(".incoming-") for name in files(temporary)))
            worker = children(server.pid)
            server.kill()
            server.wait()
    assert "before.png" in files(temporary)
    with serving(env={"TMPDIR": str(temporary)}):
        assert files(temporary) == [LOCK]
    wait_for(lambda: not any(alive(number) for number in worker))
    assert files(temporary) == [LOCK]


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as told:
            return told.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
