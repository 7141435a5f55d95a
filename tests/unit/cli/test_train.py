import sys
import types

import pytest

from vera.types import VeraError

CONFIG = """
defaults: [_self_, {stage: first}, {parts: []}]
value: 1
hydra:
  run: {dir: "${oc.env:RUN_DIR}"}
  sweep: {dir: "${oc.env:RUN_DIR}", subdir: "${hydra.job.num}"}
  callbacks: {sweep: {_target_: vera.training.runs.sweep.Sweep}}
  output_subdir: null
  job_logging: {root: {handlers: []}}
  hydra_logging: {root: {handlers: []}}
"""


@pytest.fixture
def experiment(monkeypatch, tmp_path):
    """A configuration package of its own in the place of vera.conf, and a training that only records."""
    package = tmp_path / "conf_of_a_test"
    (package / "stage").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "train.yaml").write_text(CONFIG)
    (package / "stage" / "first.yaml").write_text("name: first\n")
    (package / "stage" / "second.yaml").write_text("name: second\n")
    (package / "parts").mkdir()
    for name in ("one", "two"):
        (package / "parts" / f"{name}.yaml").write_text(f"{name}: {{}}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr("vera.cli.hydra.CONFIG_PACKAGE", "conf_of_a_test")
    seen = []
    module = types.ModuleType("vera.training.runs.run")
    module.run = seen.append
    monkeypatch.setitem(sys.modules, "vera.training.runs.run", module)
    return seen, module


def test_overrides_reach_the_experiment(vera, experiment):
    seen, _ = experiment
    code, _, stderr = vera("train", "stage=second", "value=7", "+extra=x")
    assert code == 0, stderr
    assert dict(seen[0]) == {"stage": {"name": "second"}, "value": 7, "extra": "x"}


def test_help_lists_the_groups(vera, experiment):
    code, stdout, _ = vera("train", "--help")
    assert code == 0
    assert "stage  first*, second" in stdout
    assert "value=1" in stdout


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("stage=third", "no configuration 'stage/third': choose from first, second"),
        ("stage=secnd", "did you mean second?"),
        ("parts=[one,tow]", "no configuration 'parts/tow': did you mean two? Choose from one, two"),
        ("valeu=2", "no setting 'valeu': did you mean 'value'?"),
        ("stage.nmae=x", "no setting 'stage.nmae': did you mean 'stage.name'?"),
        ("zzz=x", "no setting 'zzz': a new one is written with a plus, +zzz=VALUE"),
        ("stage=null", "a group is chosen by name, not null: leave one out with a tilde"),
        ("a b", "'a b' is no override: write NAME=VALUE"),
    ],
)
def test_unreadable_overrides_are_one_sentence(vera, experiment, override, says):
    code, _, stderr = vera("train", override)
    assert code == 2
    assert says in stderr
    assert len(stderr.splitlines()) == 1
    assert not experiment[0]


def test_errors_of_the_experiment_reach_the_shell(vera, experiment):
    def bad_input(cfg):
        raise VeraError("the folder of photographs is empty: choose another")

    def fault(cfg):
        raise ZeroDivisionError

    experiment[1].run = bad_input
    code, _, stderr = vera("train")
    assert code == 2
    assert stderr.strip() == "vera: the folder of photographs is empty: choose another"
    experiment[1].run = fault
    code, _, stderr = vera("train")
    assert code == 1
    assert "ZeroDivisionError" in stderr


def test_a_run_that_is_refused_leaves_no_folder_and_one_that_wrote_keeps_it(vera, experiment, tmp_path, monkeypatch):
    def refused(cfg):
        raise VeraError("there is no data: name data.root")

    def late(cfg):
        (folder / "last.ckpt").write_text("")
        raise VeraError("the loss is nan")

    folder = tmp_path / "runs" / "1"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUN_DIR", str(folder))
    experiment[1].run = refused
    assert vera("train", "hydra.output_subdir=.hydra")[0] == 2
    assert not (tmp_path / "runs").exists()
    experiment[1].run = late
    assert vera("train", "hydra.output_subdir=.hydra")[0] == 2
    assert {path.name for path in folder.iterdir()} >= {".hydra", "last.ckpt"}


def test_a_run_of_a_multirun_that_fails_does_not_lose_the_others(vera, experiment, tmp_path):
    def some(cfg):
        seen.append(cfg.value)
        if cfg.value == 1:
            raise VeraError("the folder of photographs is empty: choose another")
        if cfg.value == 2:
            raise ZeroDivisionError("a fault")
        if cfg.value == 3:
            sys.exit(1)

    seen, experiment[1].run = experiment[0], some
    code, _, stderr = vera("train", "-m", "value=1,2,3,4")
    assert code == 1
    assert seen == [1, 2, 3, 4]
    assert "3 runs of the sweep did not finish" in stderr
    said = [(tmp_path / "run" / str(number) / "failure.txt").read_text() for number in range(3)]
    assert said[0] == "the folder of photographs is empty: choose another\n"
    assert said[1].splitlines()[-1] == "ZeroDivisionError: a fault"
    assert f"{tmp_path / 'run' / '1'}: ZeroDivisionError: a fault" in stderr
    assert not (tmp_path / "run" / "3" / "failure.txt").exists()

    experiment[1].run = seen.append  # what went wrong before is forgotten
    code, _, stderr = vera("train", "-m", "value=1,2,3,4")
    assert code == 0, stderr
    assert not list((tmp_path / "run").rglob("failure.txt"))


def test_an_interruption_ends_the_whole_multirun(vera, experiment):
    def interrupted(cfg):
        experiment[0].append(cfg.value)
        raise KeyboardInterrupt

    experiment[1].run = interrupted
    code, _, stderr = vera("train", "-m", "value=1,2", "+run.folder=somewhere")
    assert code == 130
    assert experiment[0] == [1]
    assert "somewhere/last.ckpt" in stderr


def test_lightnings_other_processes_belong_to_the_run_not_to_the_multirun(vera, experiment, tmp_path):
    experiment[1].run = lambda cfg: experiment[0].append(sys.argv[1:])
    assert vera("train", "-m", "value=1,2", "stage=second")[0] == 0
    assert experiment[0][1] == ["train", "value=2", "stage=second", f"run.folder='{tmp_path / 'run' / '1'}'"]
