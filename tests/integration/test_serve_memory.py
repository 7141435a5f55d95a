"""The page's two processes do not grow from call to call.

.venv/bin/python -m pytest -m slow --log-cli-level=info tests/integration/test_serve_memory.py    prints the figures
"""

import logging
import sys

import pytest
import skimage.data
from PIL import Image
from tests.integration.serving import ask, children, resident, run, serving

pytest.importorskip("starlette", reason="the extra `web` is not installed: no page to test")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the memory of processes is read from /proc, which Linux has"),
]
FEW, MANY, GROWTH = 5, 50, 1.10


@pytest.mark.parametrize("choices", [{"method": "cover"}, {"seed": 3}], ids=["cover", "exemplars"])
def test_memory_after_50_jobs_is_that_after_5(tmp_path, choices):
    """Each job is a new person, as in a clinic: photograph, call, ZIP, and closed."""
    Image.fromarray(skimage.data.astronaut()[0:320, 80:380]).save(tmp_path / "before.png")
    photograph = (tmp_path / "before.png").read_bytes()
    used = {}
    with serving("--folder", tmp_path / "private") as (address, server):
        for job in range(1, MANY + 1):
            ask(address, "PUT", f"p{job}/photographs/before.png", photograph)
            assert run(address, f"p{job}", preserve=["mouth"], person="p", **choices)["state"] == "written"
            assert ask(address, "GET", f"p{job}/result.zip").startswith(b"PK")
            ask(address, "DELETE", f"p{job}")
            used[job] = {"server": resident(server.pid), "worker": max(map(resident, children(server.pid)))}
            if job in (1, FEW, 10, 20, 30, 40, MANY):
                logging.getLogger(__name__).info(
                    "after %d jobs: %s", job, {name: f"{size / 2**20:.0f} MiB" for name, size in used[job].items()}
                )
    for name in ("server", "worker"):
        assert used[MANY][name] < GROWTH * used[FEW][name], used
