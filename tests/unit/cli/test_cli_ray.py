"""Ray on this machine does what the pool of processes does."""

from functools import partial

import pytest
from tests.unit.cli.folders import audit_of
from tests.unit.cli.painters import Inline, Painter, people, run
from tests.unit.cli.test_cli_archive import complete, images, untimed

from vera.cli.archive import unfinished
from vera.cli.rendering import PersonWorker
from vera.types import Refused

pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
pytestmark = pytest.mark.slow  # Ray alone takes half a minute to start


@pytest.fixture
def ray(monkeypatch):
    from vera.cli.ray_engine import RayEngine

    monkeypatch.setenv("PYTHONPATH", "src:.")  # the actors import this folder's fakes

    def engine(**painter):
        return RayEngine(partial(PersonWorker, partial(Painter, **painter), mark=True), workers=2, threads=1, lost=unfinished)

    return engine


def test_local_ray_gives_the_same_bytes_and_goes_on(tmp_path, ray):
    manifest = people(tmp_path / "in", 6)
    with pytest.raises(Refused, match=r"2 of 6 people were not written \(person 1, person 4\)"):
        run(manifest, tmp_path / "out", ray(refuse=("person 1",), die=("person 4",)))
    assert [record["status"] for record in audit_of(tmp_path / "out")["people"]] == [
        "written",
        "refused",
        "written",
        "written",
        "failed",
        "written",
    ]
    run(manifest, tmp_path / "out", ray())
    complete(tmp_path / "out", 6)
    run(manifest, tmp_path / "inline", Inline(Painter()))
    assert images(tmp_path / "out") == images(tmp_path / "inline")
    assert untimed(audit_of(tmp_path / "out")) == untimed(audit_of(tmp_path / "inline"))
