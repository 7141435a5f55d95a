"""How little the command line imports: help and refusals come at once, and anonymizing needs no framework of training."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from PIL import Image

import vera
from vera.cli.app import COMMANDS

HEAVY = {"torch", "cv2", "onnxruntime", "dlib", "timm", "scipy", "rich", "hydra", "pytorch_lightning", "matplotlib"}
CONTROLLED = Path(vera.__file__).parent / "assets" / "controlled"
OF_TRAINING = {"pytorch_lightning", "lightning_fabric", "hydra", "omegaconf", "matplotlib"}
IMPORTED = "import sys; sys.stderr.write('imported: ' + ' '.join(sorted({module.partition('.')[0] for module in sys.modules})))"


def started(*arguments):
    """Exit code, output, and the packages that were imported by ``vera`` in a process of its own."""
    code = f"import sys, atexit; atexit.register(lambda: exec({IMPORTED!r})); from vera.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    said, _, imported = done.stderr.rpartition("imported: ")
    return done.returncode, done.stdout + said, set(imported.split())


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--help"], 0, "anonymize"),
        ([], 0, "anonymize"),
        (["--version"], 0, "vera "),
        (["anonymize", "--help"], 0, "--preserve"),
        (["train", "--help"], 0, "experiment"),
        (["evaluate", "--help"], 0, "anonymizer"),
        (["anonymize", "--outt", "x"], 2, "--out"),
        (["anonymize", "there/is/none.jpg", "--out", "there/is/none"], 2, "none.jpg is not there"),
        (["anonymize", __file__, "--preserve", "moth", "--out", "there/is/none"], 2, "did you mean 'mouth'"),
        (["anonymize", __file__, "--refine-steps", "9", "--out", "there/is/none"], 2, "exemplars are fitted, not inverted"),
        (["anonymize", __file__, "--bundle", CONTROLLED, "--out", "there/is/none"], 2, "invert by optimisation, --refine-steps 400"),
        (["anonymise", "a.jpg"], 2, "did you mean 'anonymize'"),
        (["colour"], 2, "choose from anonymize, "),
    ],
)
def test_help_and_refusals_import_nothing_heavy(arguments, code, says):
    left, told, imported = started(*arguments)
    assert (left, says in told) == (code, True), told
    assert not imported & HEAVY


@pytest.mark.parametrize("option", ["--help", "--outt"])
def test_help_of_a_command_and_a_wrong_option_import_little_but_typer(option):
    assert not started("anonymize", option)[2] & {"multiprocessing", "socket", "hashlib", "numpy"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_each_command_says(name):
    found = getattr(import_module(f"vera.cli.{name}"), name)
    text = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found)
    assert text.splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize("modules", [["vera.cli.assembly", "vera.cli.batch", "vera.cli.output"], ["vera.anonymization.interface"]])
def test_anonymizing_imports_no_framework_of_training(modules):
    code = f"import {', '.join(modules)}; {IMPORTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stderr.split()) & OF_TRAINING


def test_loading_the_face_parser_imports_no_compiler():
    """torch imports its compiler (and sympy with it, which takes seconds) where a tensor without memory is filled by chance."""
    code = f"from vera.faces.parser_choice import choose_parser; choose_parser(None, device='cpu'); {IMPORTED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sympy" not in done.stderr.split()


@pytest.mark.slow
def test_a_whole_call_imports_no_framework_of_training(tmp_path):
    skimage_data = pytest.importorskip("skimage.data")
    Image.fromarray(skimage_data.astronaut()[0:320, 80:380]).save(tmp_path / "a.png")
    left, told, imported = started("anonymize", tmp_path / "a.png", "--seed", 1, "--out", tmp_path / "out")
    assert left == 0, told
    assert (tmp_path / "out" / "a.png").is_file()
    assert "torch" in imported
    assert not imported & OF_TRAINING
