"""Every YAML of an evaluation composes, resolves and instantiates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf

from vera.cli import evaluation
from vera.evaluation.api import without_download
from vera.evaluation.judges import Judge
from vera.evaluation.metrics.frechet import Statistics
from vera.faces.detection import DetectedFace
from vera.faces.photograph import write_png
from vera.features.pooled import Lite0Features
from vera.types import Semantic, VeraError

CONF = Path(__file__).parents[2] / "conf"
NEEDS_A_FILE = {"fid": "inception", "kid": "inception", "lpips": "alexnet", "age": "age", "gaze": "iris", "cmmd": "clip"}

OURS = {"vera": None, "generator": "generator"}
"""The renderer of each of our own anonymizers."""


def options(group):
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def composed(*overrides):
    with initialize_config_module("vera.conf", version_base="1.3"):
        return compose("evaluate", ["run.folder=/tmp/unused", *overrides])


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("00000", "00001", "00002"):
        write_png(tmp_path / f"{name}.png", rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    (tmp_path / "A").mkdir()
    write_png(tmp_path / "A" / "A_0001.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "pairs.csv").write_text("person,role,path,age\np,before,00000.png,old\n")
    return tmp_path


@pytest.fixture
def parts(monkeypatch):
    """Face parts without weights in the place of dlib's."""

    class Detector:
        name = "drawn"

        def detect(self, photograph):
            angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
            points = np.column_stack([20 + 10 * np.cos(angle), 20 + 12 * np.sin(angle)])
            points[36:42], points[42:48], points[48], points[54] = (15, 17), (25, 17), (16, 27), (24, 27)
            return [DetectedFace((8, 8, 32, 32), points, 1.0)]

    made = []
    monkeypatch.setattr(evaluation, "DlibDetector", Detector)

    def embedded(*arguments, **others):
        made.append((*arguments, others))
        return lambda photographs, *, person: None

    monkeypatch.setattr(evaluation, "embedded", embedded)
    return made


def test_the_default_has_ours_all_baselines_and_nothing_to_download(root, parts):
    config = composed(f"people.path={root}/pairs.csv")
    OmegaConf.resolve(config)
    assert list(config.anonymizer) == ["vera", "blur", "pixelate", "mask", "ksame", "none"]
    assert all(isinstance(judge, Judge) for judge in evaluation.built(config, "judges"))
    measures = evaluation.built(config, "metrics")
    assert [measure.name for measure in measures] == [measure.name for measure in without_download("cpu", 16)]
    assert [vars(measure).get("size") for measure in measures] == [vars(measure).get("size") for measure in without_download("cpu", 16)]


@pytest.mark.parametrize("name", options("anonymizer"))
def test_anonymizers_are_built(name, root, parts):
    where = [f"anonymizer.outputs.root={root}"] if name == "outputs" else []
    config = composed("people=ffhq", f"people.root={root}", f"anonymizer=[{name}]", "preserve=[mouth]", "seed=7", *where)
    if name == "ksame":
        config.anonymizer.ksame.k = 2
    (one,) = evaluation.methods(config, instantiate(config.people))
    assert one.name == name
    assert one.settings["preserve"] == ["mouth"]
    if name in OURS:
        bundle, device, chosen, others = parts[0]
        assert (bundle, device, chosen.preserve, chosen.seed) == (None, "cpu", (Semantic.MOUTH,), 7)
        assert others == {"renderer": OURS[name], "leave_out_person": False}
    elif name not in ("none", "outputs"):
        assert one.anonymizer.preserve == (Semantic.MOUTH,)


def test_k_same_is_left_out_where_there_are_too_few_faces(root, parts, capsys):
    config = composed("people=ffhq", f"people.root={root}", "anonymizer=[none,ksame]")
    assert [one.name for one in evaluation.methods(config, instantiate(config.people))] == ["none"]
    assert "'ksame' is left out: k-Same needs 10 faces beside the person's own, the gallery has" in capsys.readouterr().err


def test_other_seeds_are_built_where_there_is_a_seed(root, parts):
    config = composed("people=ffhq", f"people.root={root}", "anonymizer=[vera,none]", "diversity.people=2", "diversity.seeds=2", "seed=4")
    ours, none = evaluation.methods(config, instantiate(config.people))
    assert (len(ours.again), len(none.again)) == (2, 0)
    assert [chosen.seed for _, _, chosen, _ in parts] == [5, 6, 4]


def test_both_renderers_side_by_side_with_the_donors_rows_left_out(root, parts):
    config = composed("people=ffhq", f"people.root={root}", "anonymizer=[vera,generator]", "anonymizer.vera.leave_out_donors=true")
    assert [one.name for one in evaluation.methods(config, instantiate(config.people))] == list(OURS)
    assert [others for *_, others in parts] == [
        {"renderer": None, "leave_out_person": True}, {"renderer": "generator", "leave_out_person": False},
    ]  # fmt: skip


@pytest.mark.parametrize("name", options("metrics"))
def test_metrics_are_built_or_say_what_they_need(name):
    path = NEEDS_A_FILE.get(name)
    key = "attributes" if name == "age" else name
    config = composed("people.path=x", f"metrics=[{name}]", *([f"files.{path}=/nowhere/weights"] if path else []))
    if path:
        with pytest.raises(Exception, match="/nowhere/weights"):
            evaluation.built(config, "metrics")
    else:
        (measure,) = evaluation.built(config, "metrics")
        assert measure.name == key


def test_a_metrics_settings_reach_it_and_an_entry_may_be_the_measure_itself(tmp_path):
    features = Lite0Features(side=224)
    mean = torch.zeros(features.dimension).double()
    Statistics(mean, torch.eye(features.dimension).double(), 9, features.name, "made up").save(tmp_path / "real")
    settings = [f"metrics.frechet_lite0.reference={tmp_path}/real", "metrics.kernel_lite0.subset_size=7", "metrics.kernel_lite0.size=64"]
    measures = "vera.evaluation.measures.photographs.Replaced", "vera.evaluation.metrics.preservation.Replacement"
    own = f"+metrics.own={{_target_:{measures[0]},metric:{{_target_:{measures[1]}}}}}"
    config = composed("people.path=x", "metrics=[frechet_lite0,kernel_lite0]", *settings, own)
    frechet, kernel, own = evaluation.built(config, "metrics")
    assert frechet.metric.reference.source == "made up"
    assert (kernel.metric.subset_size, kernel.size, own.name) == (7, 64, "replacement")


@pytest.mark.parametrize("name", options("judges"))
def test_judges_are_built_or_say_what_they_need(name):
    if name == "insightface":
        config = composed("people.path=x", "judges=[insightface]", "judges.insightface.pack=/nowhere/pack")
        with pytest.raises(Exception, match="/nowhere/pack"):
            instantiate(config.judges.insightface, _convert_="all")
    else:
        assert isinstance(instantiate(composed("people.path=x", f"judges=[{name}]").judges[name]), Judge)


@pytest.mark.parametrize("name", options("people"))
def test_people_are_found(name, root):
    where = f"people.path={root}/pairs.csv" if name == "pairs" else f"people.root={root}{'/A' if name == 'folder' else ''}"
    for link in ("1.png", "p_before.png", "p_after.png"):
        (root / link).symlink_to(root / "00000.png")
    found = instantiate(composed(f"people={name}", where).people, _convert_="all")
    assert found
    if name == "pairs":
        assert found[0].groups == {"age": "old"}


def test_no_anonymizer_is_bad_input(root):
    with pytest.raises(VeraError, match="name some"):
        evaluation.run(composed(f"people.path={root}/pairs.csv", "anonymizer=[]"))
