"""Tab completion: of commands, options, values and Hydra's overrides, and in a bash that is asked."""

import shutil
import subprocess
import sys

import pytest

from vera.cli.completion import SCRIPTS, candidates


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("vera ", {"anonymize", "train", "--help"}),
        ("vera anon", {"anonymize"}),
        ("vera anonymize a.jpg --pres", {"--preserve"}),
        ("vera anonymize a.jpg --renderer ", {"exemplars", "generator"}),
        ("vera anonymize a.jpg --renderer g", {"generator"}),
        ("vera convert ", {"semanticstylegan", "onnx"}),
        ("vera convert semanticstylegan --disc", {"--discriminator"}),
        ("vera export RUN --dis", {"--discriminator"}),
        ("vera train trainer=", {"trainer=cpu", "trainer=ddp"}),
        ("vera train experiment=smoke_generator stage.start.", {"stage.start.generator=", "stage.start.discriminator="}),
        ("vera train --mul", {"--multirun"}),
        ("vera evaluate lim", {"limit="}),
        ("vera train data.root=/us", {"data.root=/usr/"}),
    ],
)
def test_what_may_follow(line, some):
    found = candidates(line)
    assert some <= set(found)
    if not line.endswith((" ", "=", ".")):
        assert all(word.startswith(line.rpartition(" ")[2]) for word in found)


@pytest.mark.parametrize("line", ["vera nothing --", "vera anonymize 'a", "vera anonymize a"])
def test_elsewhere_only_files_can_follow(line):
    assert candidates(line) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(("line", "reply"), [("vera train trainer=dd", "[ddp][ddp_gan]"), ("vera anon", "[anonymize ]")])
def test_bash_completes_the_word_at_the_cursor(line, reply):
    asked = f"vera() {{ '{sys.executable}' -m vera.cli \"$@\"; }}; COMP_WORDBREAKS=$' \\n=:'; COMP_LINE='{line}'; COMP_POINT={len(line)}; "
    script = SCRIPTS["bash"] + asked + "_vera; printf '[%s]' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == reply, done.stderr


def test_every_shell_has_a_script_that_asks_vera():
    assert all(f"vera completion {shell} --line" in script for shell, script in SCRIPTS.items())
