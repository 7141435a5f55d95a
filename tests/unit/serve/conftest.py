import threading
import time

import pytest

pytest.importorskip("starlette", reason="the extra `web` is not installed: no page to test")
pytest.importorskip("httpx", reason="httpx is not installed: no requests to the page")

from starlette.testclient import TestClient
from tests.unit.serve.fake_engine import FakeEngine

from vera.serve.app import Server
from vera.serve.bodies import Limits
from vera.serve.security import Access, hosts_of

TOKEN = "a-token-of-the-tests"
ACCESS = Access(hosts_of(["127.0.0.1", "localhost"], 8000), TOKEN)
LIMITS = Limits(upload=2000, json=4000, silence=0.2, whole=1.0, photographs=3, people=4, stored=5000)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with the fake engine in its own process."""
    made = Server(tmp_path_factory.mktemp("private"), FakeEngine, ACCESS, LIMITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def open_client(server):
    """A client that shows nothing."""
    with TestClient(server.app, base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def page(open_client, server):
    """The browser's page: cookie and mark. All people are closed afterwards."""
    open_client.cookies.clear()
    open_client.headers.pop("authorization", None)
    open_client.get("/", params={"token": TOKEN})
    open_client.headers["x-vera-mark"] = ACCESS.mark
    yield open_client
    for key in list(server.patients.known):
        open_client.delete(f"/api/people/{key}", headers={"authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def stranger(open_client):
    """A client without cookie and mark."""
    open_client.cookies.clear()
    open_client.headers.pop("x-vera-mark", None)
    return open_client


@pytest.fixture
def wait():
    """Wait until a function gives something true."""

    def until(asked, seconds=60):
        end = time.monotonic() + seconds
        while not (found := asked()):
            assert time.monotonic() < end, "it did not happen"
            threading.Event().wait(0.02)
        return found

    return until
