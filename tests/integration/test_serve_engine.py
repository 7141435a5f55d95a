"""The page's engine and `vera anonymize` write the same: images, regions and report byte for byte, and the same records but for seconds."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed: no page to test")

from vera.cli.page_engine import PageEngine
from vera.faces.photograph import write_png
from vera.serve.choices import read_choices
from vera.serve.engine import Job
from vera.serve.strokes import paint, read_strokes

DOT = [{"kind": "brush", "radius": 6, "points": [[150, 130], [158, 132]]}, {"kind": "erase", "radius": 2, "points": [[154, 131]]}]


@pytest.fixture(scope="module")
def engine():
    return PageEngine()


@pytest.fixture
def portrait(tmp_path):
    path = tmp_path / "before.png"
    Image.fromarray(skimage.data.astronaut()[0:320, 80:380]).save(path)
    return path


def records(folder):
    """The audit's people, without what differs between two calls."""
    (record,) = json.loads((folder / "audit.json").read_text("utf-8"))["people"]
    return {name: value for name, value in record.items() if not name.startswith("seconds")}


def both(engine, vera, portrait, choices, *arguments):
    """Make one call by the engine and by the command line, and compare; what the engine gives."""
    steps = []
    page, line = (portrait.parent / name for name in ("page", "line"))
    view = portrait.parent / "view.jpg"
    found = engine.look(portrait, view, tell=lambda *step: None)
    assert (found["size"], len(found["faces"]), found["turned"]) == ([320, 300], 1, None)
    assert Image.open(view).size == (300, 320)
    job = Job((portrait,), (1,), (view,), (None,), read_choices(choices), page)
    made = engine.run(job, tell=lambda *step: steps.append(step))
    left, _, told = vera("anonymize", portrait, *arguments, "--rename", "--report", "--out", line)
    assert (left, made["record"]["status"]) == (0, "written"), told
    for name in ("0001.png", "0001.preserved.png", "person-0001.report.html", "person-0001.sheet.png"):
        assert (page / name).read_bytes() == (line / name).read_bytes()
    assert records(page) == records(line)
    settings = [json.loads((folder / "audit.json").read_text("utf-8"))["settings"] for folder in (page, line)]
    assert settings[0] == settings[1]
    return made, steps


def test_a_painted_mask_and_a_named_region_under_a_cover(engine, vera, portrait):
    mask = portrait.parent / "mask.png"
    write_png(mask, paint(read_strokes(DOT), (320, 300)))
    choices = {"method": "cover", "preserve": ["mouth"], "drawn": {"1": DOT}, "person": "p1"}
    made, _ = both(engine, vera, portrait, choices, "--method", "cover", "--preserve", f"mouth,{mask}", "--person", "p1")
    kept = np.asarray(Image.open(portrait.parent / "page" / "0001.preserved.png")) > 127
    assert kept[131, 147]
    assert not kept[131, 153]
    assert made["rings"][0]


@pytest.mark.slow
def test_a_new_face_by_exemplars(engine, vera, portrait):
    choices = {"preserve": ["teeth", "lips+2mm"], "seed": 7, "person": "p1"}
    _, steps = both(engine, vera, portrait, choices, "--preserve", "teeth,lips+2mm", "--seed", "7", "--person", "p1")
    assert ("searching for a different face", 1, 16) in steps
    regions = {region["name"]: region for region in engine.regions(portrait, 1, tell=lambda *step: None)}
    assert regions["teeth"]["rings"]
    assert regions["mouth"]["pixels"] > regions["lips"]["pixels"]
