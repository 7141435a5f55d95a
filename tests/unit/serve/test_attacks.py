"""Attacks on the page: each must be refused, and leave nothing behind."""

import contextlib
import io
import json
import re
import signal
import stat
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
from tests.unit.serve.conftest import ACCESS, LIMITS, TOKEN

from vera.serve.app import CHECKS, KINDS
from vera.serve.archive import pack
from vera.serve.folder import PrivateFolder
from vera.types import VeraError

KEY = "/api/people/p1"
OWN = {"authorization": f"Bearer {TOKEN}"}
SENSITIVE = ["/", "/api/state", "/api/events", f"{KEY}/result.zip", "/openapi.json", "/static/page.js"]
KILLED = """
import os, pathlib, sys
from vera.serve.folder import PrivateFolder
private = PrivateFolder(pathlib.Path(sys.argv[1])).__enter__()
(private.path / "photograph.jpg").write_bytes(b"a patient")
os.kill(os.getpid(), 9)
"""
"""What a server does that is killed while a photograph is there."""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:8000", ""])
def test_a_rebound_name_gets_no_answer(page, host):
    for path in ("/", "/api/state"):
        answer = page.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert ACCESS.mark not in answer.text


@pytest.mark.parametrize("path", SENSITIVE)
def test_nothing_is_given_without_the_token(stranger, path):
    assert stranger.get(path).status_code == 401
    for wrong in ("", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
        assert stranger.get(path, headers={"authorization": wrong}).status_code == 401


def test_a_wrong_token_in_the_address_opens_nothing(stranger):
    answer = stranger.get("/", params={"token": "wrong"}, follow_redirects=False)
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    right = stranger.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert {"httponly", "samesite=strict"} <= set(right.headers["set-cookie"].lower().split("; "))
    assert TOKEN not in right.headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8001"},
        {"sec-fetch-site": "cross-site"},
        {"x-vera-mark": "wrong"},
        {"x-vera-mark": ""},
    ],
)
def test_another_site_can_change_nothing_with_the_browsers_cookie(page, server, headers):
    for method, path in (("PUT", f"{KEY}/photographs/a.jpg"), ("POST", f"{KEY}/run"), ("DELETE", KEY)):
        assert page.request(method, path, content=b"{}", headers=headers).status_code == 403
    assert not server.patients.known


def test_every_answer_has_the_headers(page, stranger):
    answers = [page.get(path) for path in ("/", "/static/page.js", "/nothing", "/api/state")]
    answers += [page.get("/", headers={"host": "evil"}), page.put(f"{KEY}/photographs/a.jpg", content=b"x" * (LIMITS.upload + 1))]
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_the_page_has_no_inline_script_and_asks_nobody_else(server):
    text = server.page["index.html"].decode()
    assert "<script>" not in text
    assert " on" not in "".join(part.split("=")[0] for part in text.split('"')[::2] if part.strip().startswith("on"))
    assert " style=" not in text
    for name, content in server.page.items():
        addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+", content.decode()))
        assert addresses <= {"http://www.w3.org", "http://127.0.0.1"}, name
        assert "innerHTML" not in content.decode()


@pytest.mark.parametrize(
    "name",
    [
        *("..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "%2e%2e", "..", ".hidden", "a%5cb.jpg"),
        *("c%3ab.jpg", "a%00b.jpg", "a%0ab.jpg", "x" * 181, "%e2%80%aegpj.jpg"),
    ],
)
def test_a_name_leads_nowhere(page, server, name):
    before = sorted(server.patients.folder.parent.rglob("*"))
    assert page.put(f"{KEY}/photographs/{name}", content=b"a photograph").status_code in {404, 405, 422}
    assert [path for path in sorted(server.patients.folder.parent.rglob("*")) if path not in before and path.is_file()] == []


@pytest.mark.parametrize(
    "path",
    ["/static/..%2fapp.py", "/static/%2e%2e%2fapp.py", "/static/index.html", "/static/app.py", "/etc/passwd", "/static//etc/passwd"],
)
def test_no_file_of_the_machine_is_served(page, path):
    assert page.get(path).status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "01", "1.0", "x", "9" * 5000])
def test_a_number_that_is_none_is_told(page, number):
    """Python refuses to read whole numbers of more than 4,300 digits."""
    page.put(f"{KEY}/photographs/a.jpg", content=b"a", headers=OWN)
    assert page.get(f"{KEY}/photographs/{number}/view", headers=OWN).status_code == 404
    assert page.delete(f"{KEY}/photographs/{number}", headers=OWN).status_code == 404
    if number != "01":
        assert page.get(f"{KEY}/photographs/1/regions", params={"face": number}, headers=OWN).status_code == 422


def test_a_results_name_leads_nowhere(page, wait):
    page.put(f"{KEY}/photographs/a.jpg", content=b"a photograph")
    page.post(f"{KEY}/run?wait=true", json={})
    for name in ("..%2f1%2fa.jpg", "a.jpg", "audit.json", "%2fetc%2fpasswd"):
        assert page.get(f"{KEY}/results/{name}").status_code in {404, 405}
    assert page.get(f"{KEY}/results/a.png").status_code == 200


def test_a_name_with_html_is_only_ever_data(page):
    name = "<img src=x onerror=alert(1)>.jpg"
    page.put(f"{KEY}/photographs/{name}", content=b"a photograph")
    page.post(f"{KEY}/run?wait=true", json={"rename": False})
    for path in ("/api/state", KEY):
        answer = page.get(path)
        assert (answer.headers["content-type"], answer.json() is not None) == ("application/json", True)
    assert name not in page.get("/").text
    page.post(f"{KEY}/review", json={"reviewer": "<script>alert(1)</script>", "checked": list(range(1, CHECKS + 1))})
    packed = page.get(f"{KEY}/result.zip")
    assert "html" not in packed.headers["content-disposition"] + packed.headers["content-type"]
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert all("/" not in known and "\\" not in known for known in archive.namelist())


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a\\b.png", ".a", "b/../../a.png"])
def test_a_zip_has_no_name_that_leads_out(tmp_path, name):
    with pytest.raises(VeraError, match="leads out"):
        pack(tmp_path / "made.zip", tmp_path, [name], identity=None, review=None)
    assert not list(tmp_path.iterdir())


def test_an_upload_that_is_too_large_is_refused_before_it_is_kept(page, server):
    too_much = LIMITS.upload + 1
    assert page.put(f"{KEY}/photographs/a.jpg", content=b"x" * too_much).status_code == 413
    assert page.put(f"{KEY}/photographs/a.jpg", content=iter([b"x" * 1000] * 3)).status_code == 413  # no length is said
    assert page.put(f"{KEY}/photographs/a.jpg", content=b"x", headers={"content-length": "-1"}).status_code in {400, 413}
    assert page.put(f"{KEY}/photographs/a.jpg", content=b"").status_code == 422
    assert not server.patients.known
    for number in range(2):
        assert page.put(f"/api/people/q{number}/photographs/a.jpg", content=b"x" * 2000).status_code == 201
    assert page.put(f"{KEY}/photographs/a.jpg", content=b"x" * 1500).status_code == 413  # all uploads together
    assert page.put("/api/people/q0/photographs/1/mask", content=b"x" * 1500).status_code == 413  # a mask, too
    assert page.put("/api/people/q0/photographs/1/mask", content=b"x" * 900).status_code == 204
    assert page.put("/api/people/q0/identity", content=b"x" * 200).status_code == 413
    assert not list(server.patients.folder.glob(".incoming-*"))
    assert page.post("/api/people/q0/run", content=b" " * (LIMITS.json + 1)).status_code == 413
    assert page.post("/api/people/q0/run", content=b"[" * 2000).status_code == 422


def bodies(parts):
    """A request whose body comes in these parts."""
    from starlette.requests import Request

    left = iter(parts)

    async def receive():
        part = next(left, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    return Request({"type": "http", "method": "PUT", "headers": []}, receive)


def test_many_uploads_at_once_fill_neither_memory_nor_disk(tmp_path):
    """With the token somebody could send many files at a time: none is held in memory, and all together have a limit."""
    import asyncio
    import tracemalloc

    from starlette.exceptions import HTTPException

    from vera.serve.bodies import Limits, Uploads

    piece, count = b"x" * 2**16, 32
    uploads = Uploads(tmp_path, Limits(stored=20 * count * len(piece)), lambda: 0)
    on_disk = []

    async def upload(pieces):
        try:
            async with uploads.receive(bodies([piece] * pieces), 2**30) as came:
                on_disk.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
                await asyncio.sleep(0)
                return came.size
        except HTTPException as error:
            return error.status_code

    async def all_at_once(pieces):
        return await asyncio.gather(*(upload(pieces) for _ in range(count)))

    tracemalloc.start()
    try:
        assert asyncio.run(all_at_once(16)) == [16 * len(piece)] * count
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 16 * len(piece) * count / 4
    assert max(on_disk) > 16 * len(piece)
    assert 413 in asyncio.run(all_at_once(64))
    assert max(on_disk) <= uploads.limits.stored
    assert (uploads.arriving, list(tmp_path.iterdir())) == (0, [])


@pytest.mark.parametrize(("silence", "whole"), [(0.05, 9.0), (9.0, 0.05)])
def test_a_slow_upload_is_broken_off(silence, whole):
    import asyncio

    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    from vera.serve.bodies import Limits, read_body

    async def drip():
        await asyncio.sleep(0.06 if silence < 1 else 0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def upload():
        request = Request({"type": "http", "method": "PUT", "headers": []}, drip)
        await read_body(request, 2000, Limits(silence=silence, whole=whole))

    with pytest.raises(HTTPException) as refused:
        asyncio.run(upload())
    assert refused.value.status_code == 408


def test_the_folder_is_the_owners_and_a_killed_servers_photographs_go(tmp_path):
    base = tmp_path / "base"
    with PrivateFolder(base) as first:
        assert [stat.S_IMODE(path.stat().st_mode) for path in (base, first.path)] == [0o700, 0o700]
        with pytest.raises(VeraError, match="another `vera serve` uses"):
            PrivateFolder(base).__enter__()
        (first.path / "photograph.jpg").write_bytes(b"a patient")
    assert not first.path.exists()
    killed = subprocess.run([sys.executable, "-c", KILLED, base], check=False)
    (base / "own.txt").write_text("not VerA's")
    assert (killed.returncode, len(list(base.rglob("photograph.jpg")))) == (-signal.SIGKILL, 1)
    with PrivateFolder(base):
        assert not list(base.rglob("photograph.jpg"))
    assert (base / "own.txt").read_text() == "not VerA's"
    (tmp_path / "link").symlink_to(base)
    with pytest.raises(VeraError, match="or is a link"):
        PrivateFolder(tmp_path / "link").__enter__()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "192.0.2.7"], "add --token"),
        (["--host", "0.0.0.0", "--token", "x" * 16], "means all addresses"),
        (["--host", "localhost"], "is no address"),
        (["--token", "short"], "--token is weak"),
        (["--host", "192.0.2.7", "--token", "x" * 16], "can't be used"),
    ],
)
def test_only_a_token_opens_another_address(vera, arguments, says):
    left, _, told = vera("serve", *arguments)
    assert (left, says in told) == (2, True), told


def test_a_description_names_the_calls_that_there_are(server, page):
    described = json.loads(page.get("/openapi.json").text)
    calls = {(path, method) for path, known in described["paths"].items() for method in known if method != "parameters"}
    routes = {(route.path.replace(":int", ""), method.lower()) for route in server.app.routes for method in route.methods}
    assert calls <= routes
    from vera.serve.choices import Choices

    assert set(described["components"]["schemas"]["Choices"]["properties"]) == set(Choices.__dataclass_fields__)


def test_both_languages_have_all_texts_of_the_page(server):
    english, german = (json.loads(server.page[f"texts_{language}.json"]) for language in ("en", "de"))
    assert english.keys() == german.keys()
    assert {f"check_{number}" for number in range(1, CHECKS + 1)} <= english.keys()
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', server.page["index.html"].decode()))
    used |= set(re.findall(r"""\bt\("(\w+)"[,)]""", server.page["page.js"].decode()))
    assert used <= english.keys()
    assert {name.rpartition(".")[2] for name in server.page} <= {kind[1:] for kind in KINDS} | {"html"}


@pytest.mark.parametrize("name", ["view.jpg", "painted.png"])
def test_no_file_of_the_page_takes_the_place_of_a_photograph(page, server, wait, name):
    page.put(f"{KEY}/photographs/{name}", content=b"a photograph")
    wait(lambda: page.get(KEY).json()["photographs"][0]["look"])
    (picture,) = server.patients.known["p1"].pictures.values()
    assert (picture.path.name, picture.path.read_bytes()) == (name, b"a photograph")
    assert picture.view.name.startswith(".")  # as no photograph's name does


def test_a_folder_in_which_others_may_write_is_refused(tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(VeraError, match="others may write in the folder"):
        PrivateFolder(base).__enter__()
    base.chmod(0o1777)  # as of /tmp: nobody can rename what is another's
    with PrivateFolder(base) as private:
        assert private.path.is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_server_removes_the_photographs(tmp_path, monkeypatch, number):
    """What a service manager and a closed terminal send; the real server would give SIGTERM back to the system when it ends."""
    from vera.cli import page_server

    class Uvicorn:
        def __init__(self, settings):
            pass

        def run(self, sockets):
            (session,) = tmp_path.glob("base/vera-session-*")
            (session / "photograph.jpg").write_bytes(b"a patient")
            signal.raise_signal(number)

    monkeypatch.setattr(page_server.uvicorn, "Server", Uvicorn)
    monkeypatch.setattr(page_server, "Server", lambda folder, *others: SimpleNamespace(app=None, close=lambda: None))
    monkeypatch.setattr(page_server, "_listening", lambda address, port: contextlib.nullcontext())
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it is ignored, and the tool leaves that as it is
    try:
        with pytest.raises(SystemExit, match=str(128 + number)):
            page_server.run_server(8000, tmp_path / "base", None, TOKEN)
    finally:
        signal.signal(number, before)
    assert not list(tmp_path.rglob("photograph.jpg"))
