"""The whole recipe in a few seconds, on drawn people: what is written, and that it is the same however it is made."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image
from tests.reference.drawn_portraits import DrawnDetector, DrawnParser, DrawnRecogniser, draw_people

from vera.data.folder import FolderDataset
from vera.mosaic.bank import Bank
from vera.mosaic.build import Backends, Settings, make, prepare_all
from vera.mosaic.people import read_people
from vera.mosaic.records import read_records
from vera.mosaic.report import write_report
from vera.types import Semantic, VeraError

SETTINGS = Settings(seed=3, size=64, k=4, min_distance=0.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    draw_people(folder, 7)
    return folder


@pytest.fixture(scope="module")
def people(photos):
    return read_people(photos / "people.csv", photos)


@pytest.fixture(scope="module")
def backends(photos):
    return Backends(partial(DrawnDetector, photos), DrawnRecogniser, partial(DrawnParser, photos))


@pytest.fixture(scope="module")
def sources(tmp_path_factory, people, backends):
    folder = tmp_path_factory.mktemp("sources")
    assert sorted(prepare_all(people, folder, 64, backends, workers=1))[0] == "p00_neutral"
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, sources, people, backends):
    out = tmp_path_factory.mktemp("made")
    assert sorted(run(out, sources, people, backends, count=4)) == [0, 1, 2, 3]
    return out


def run(out, sources, people, backends, *, count, settings=SETTINGS, workers=1, mixed=None):
    return list(make(out, sources, people, mixed or people, settings, backends, count=count, workers=workers))


def contents(out):
    files = [*out.glob("images/*"), *out.glob("masks/*"), out / "meta.jsonl", out / "settings.json"]
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


def test_it_is_a_data_set_of_the_framework(made):
    data = FolderDataset(root=made, size=64, pattern="*", cache=False)
    assert len(data) == 8
    for n in range(8):
        labels = data[n]["labels"]
        seen = set(labels.unique().tolist())
        assert {Semantic.BACKGROUND, Semantic.SKIN, Semantic.EYES, Semantic.BROWS, Semantic.MOUTH, Semantic.NOSE, Semantic.HAIR} <= seen
    mask = Image.open(made / "masks" / "000000_neutral.png")
    assert (mask.mode, mask.size) == ("P", (64, 64))


def test_labels_are_where_their_colours_are(made):
    image = np.asarray(Image.open(made / "images" / "000001_smiling.jpg")).astype(float)
    labels = np.asarray(Image.open(made / "masks" / "000001_smiling.png"))
    redness = image[..., 0] - image[..., 2]
    eyes, skin, mouth = (labels == c for c in (Semantic.EYES, Semantic.SKIN, Semantic.MOUTH))
    assert redness[eyes].mean() < redness[skin].mean() < redness[mouth].mean()


def test_what_is_recorded(made, people):
    ids = {person.id for person in people}
    ages = {person.id: person.age for person in people}
    for own in read_records(made).values():
        assert [record["role"] for record in own] == ["neutral", "smiling"]
        for record in own:
            assert len(set(record["sources"])) == 4
            assert record["surround"] not in record["sources"]
            assert set(record["sources"]) | {record["surround"]} <= ids
            assert set(record["parts"].values()) <= set(record["sources"])
            expected = np.dot(record["weights"]["whole"], [ages[person] for person in record["sources"]])
            assert record["age"] == pytest.approx(expected, abs=0.06)
            assert 0 <= record["nearest_person"] <= record["nearest_source"]
        assert own[0]["sources"] == own[1]["sources"], "one identity in all roles"


def test_nobody_weighs_more_than_a_third_and_a_bit(made):
    weights = [w for own in read_records(made).values() for record in own for w in record["weights"].values()]
    assert np.allclose(np.sum(weights, axis=1), 1, atol=1e-3)
    assert np.max(weights) <= 0.35 + 1e-4


def test_two_processes_make_the_same(made, tmp_path, sources, people, backends):
    run(tmp_path / "out", sources, people, backends, count=4, workers=2)
    assert contents(tmp_path / "out") == contents(made)


def test_interrupted_it_goes_on_and_ends_the_same(made, tmp_path, sources, people, backends):
    out = tmp_path / "out"
    going = make(out, sources, people, people, SETTINGS, backends, count=4, workers=1)
    next(going), next(going)
    going.close()  # as a kill leaves it: two identities recorded ...
    meta = out / "meta.jsonl"
    meta.write_bytes(meta.read_bytes() + b'{"name": "000002_neutral", "identity": 2, "ro')  # ... half a line of the third
    (out / "images" / "000002_neutral.jpg.part").write_bytes(b"half")
    (out / "masks" / "000001_smiling.png").unlink()  # ... and a file lost
    (out / "images" / "000002_neutral.jpg.part").unlink()
    assert sorted(read_records(out)) == [0]
    assert sorted(run(out, sources, people, backends, count=4)) == [0, 1, 2, 3]
    assert contents(out) == contents(made)
    before = contents(out)
    assert sorted(run(out, sources, people, backends, count=4)) == [0, 1, 2, 3]
    assert contents(out) == before, "nothing is left to do"


def test_more_can_be_added(made, tmp_path, sources, people, backends):
    out = tmp_path / "out"
    run(out, sources, people, backends, count=1)
    run(out, sources, people, backends, count=4)
    assert contents(out) == contents(made)


def test_another_seed_makes_others(made, tmp_path, sources, people, backends):
    run(tmp_path / "out", sources, people, backends, count=1, settings=Settings(seed=4, size=64, k=4, min_distance=0.0))
    name = "images/000000_neutral.jpg"
    assert contents(tmp_path / "out")[name] != contents(made)[name]


def test_other_settings_or_people_do_not_go_into_the_same_folder(made, sources, people, backends):
    with pytest.raises(VeraError, match="seed changed"):
        run(made, sources, people, backends, count=5, settings=Settings(seed=4, size=64, k=4, min_distance=0.0))
    with pytest.raises(VeraError, match="people changed"):
        run(made, sources, people, backends, count=5, mixed=people[:6])
    (made / "settings.json").rename(made / "elsewhere")
    with pytest.raises(VeraError, match="nothing says which"):
        run(made, sources, people, backends, count=5)
    (made / "elsewhere").rename(made / "settings.json")


def test_a_damaged_record_is_not_passed_over(made, tmp_path, sources, people, backends):
    out = tmp_path / "out"
    run(out, sources, people, backends, count=2)
    lines = (out / "meta.jsonl").read_text().splitlines()
    (out / "meta.jsonl").write_text("\n".join([lines[0][:20], *lines[1:]]) + "\n")
    with pytest.raises(VeraError, match=r"line 1 is damaged.*made again"):
        run(out, sources, people, backends, count=2)


def test_what_is_too_near_is_rejected_and_counted(tmp_path, sources, people, backends, made):
    nearest = sorted(record["nearest_person"] for own in read_records(made).values() for record in own)
    settings = Settings(seed=3, size=64, k=4, min_distance=nearest[len(nearest) // 2])
    run(tmp_path / "out", sources, people, backends, count=3, settings=settings)
    records = read_records(tmp_path / "out")
    assert all(record["nearest_person"] >= settings.min_distance for own in records.values() for record in own)
    counted = sum(own[0]["rejected"].get("too near a real person", 0) for own in records.values())
    assert counted > 0
    report = write_report(tmp_path / "out", Bank(sources, people, people, 64), DrawnRecogniser())
    assert report["rejected"]["too near a real person"] == counted
    assert report["draws"] == 3 + sum(report["rejected"].values())
    assert report["rejected_share"] == pytest.approx(1 - 3 / report["draws"], abs=1e-4)
    assert report["nearest_person"]["min"] >= settings.min_distance
    assert report["largest_weight_in_shape"] <= 0.3501


def test_limits_that_nobody_passes_are_an_error(tmp_path, sources, people, backends, monkeypatch):
    monkeypatch.setattr("vera.mosaic.build.ATTEMPTS", 3)
    with pytest.raises(VeraError, match=r"3 draws .* rejected .*add people"):
        run(tmp_path / "out", sources, people, backends, count=1, settings=Settings(seed=3, size=64, k=4, min_distance=9.0))


def test_report_and_sheets(made, sources, people):
    report = write_report(made, Bank(sources, people, people, 64), DrawnRecogniser())
    assert json.loads((made / "report.json").read_text()) == report
    assert (report["identities"], report["photographs"], report["people_mixed"]) == (4, 8, 7)
    assert report["sources_by_group"] == {"origin": {"drawn": 7}}
    assert "contact sheet" in (made / "report.md").read_text()
    for name in ("sheet.png", "sheet.masks.png"):
        assert Image.open(made / name).size == (6 * 64, 64)


def test_left_out_people_are_in_no_mosaic_but_distances_are_kept_from_them(tmp_path, sources, people, backends):
    mixed = people[1:]
    run(tmp_path / "out", sources, people, backends, count=3, mixed=mixed)
    for own in read_records(tmp_path / "out").values():
        assert people[0].id not in {*own[0]["sources"], own[0]["surround"]}
    assert people[0].id in Bank(sources, people, mixed, 64).owners


def test_a_corrected_segmentation_of_a_source_corrects_the_mosaics(tmp_path, sources, people, backends, made):
    corrected = tmp_path / "sources"
    corrected.mkdir()
    for file in sources.iterdir():
        (corrected / file.name).write_bytes(file.read_bytes())
    for file in corrected.glob("*.labels.png"):
        labels = Image.open(file)
        values = np.asarray(labels).copy()
        values[values == Semantic.HAIR] = Semantic.HAT
        changed = Image.fromarray(values)
        changed.putpalette(labels.getpalette())
        changed.save(file)
    assert list(prepare_all(people, corrected, 64, backends, workers=1)), "prepared photographs are used again"
    run(tmp_path / "out", corrected, people, backends, count=1)
    seen = set(np.unique(np.asarray(Image.open(tmp_path / "out" / "masks" / "000000_neutral.png"))).tolist())
    assert Semantic.HAT in seen
    assert Semantic.HAIR not in seen


@pytest.mark.parametrize(("k", "count", "says"), [(2, 7, "at least 3"), (7, 7, "one more for the hair")])
def test_too_few_people(tmp_path, sources, people, backends, k, count, says):
    with pytest.raises(VeraError, match=says):
        run(tmp_path / "out", sources, people[:count], backends, count=1, settings=Settings(seed=0, size=64, k=k, min_distance=0.0))


def test_sizes_are_powers_of_two():
    with pytest.raises(VeraError, match="--size 100"):
        Settings(seed=0, size=100, k=4, min_distance=0.5)


def test_a_photograph_without_a_face_is_named(tmp_path, people, backends, monkeypatch):
    monkeypatch.setattr(DrawnDetector, "detect", lambda self, photograph: [])
    with pytest.raises(VeraError, match="0 faces found in the photograph of 'p00', neutral"):
        list(prepare_all(people, tmp_path, 64, backends, workers=1))
