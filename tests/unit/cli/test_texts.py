"""Texts of the command line are stored: what no file can hold, or no line can show, is refused in one place."""

import os

import pytest

from vera.cli.app import COMMANDS, load
from vera.cli.texts import Command

LATIN = os.fsdecode(b"caf\xe9")
CALLS = {
    "anonymize": ["a.jpg", "--out", "out", "--person"],
    "anonymize, kind": ["a.jpg", "--out", "out", "--kind"],
    "anonymize, preserve": ["a.jpg", "--out", "out", "--preserve"],
    "anonymize, recogniser": ["a.jpg", "--out", "out", "--recogniser"],
    "export": ["trained", "--out", "out", "--licence", "x", "--card", "y", "--data"],
    "export, licence": ["trained", "--out", "out", "--data", "x", "--card", "y", "--licence"],
    "export, checkpoint": ["trained", "--out", "out", "--data", "x", "--card", "y", "--licence", "z", "--checkpoint"],
    "data pack": ["--data", "in", "--out", "out", "--pattern"],
    "report": ["run", "--measure"],
    "edit": ["--out", "out"],
    "train": [],
    "evaluate": ["people=folder"],
}


def commands(command):
    inner = getattr(command, "commands", None)
    return [command] if inner is None else [one for part in inner.values() for one in commands(part)]


def test_every_command_checks_its_texts():
    found = [one for name in COMMANDS for one in commands(load(name))]
    assert len(found) > 10
    assert all(isinstance(command, Command) for command in found)


@pytest.mark.parametrize("text", [LATIN, "a\nb", "\x1b[31m", "a\u202eb"], ids=["no UTF-8", "a newline", "an escape", "a turning mark"])
@pytest.mark.parametrize("call", CALLS)
def test_a_text_that_cannot_be_stored_or_shown(vera, tmp_path, monkeypatch, call, text):
    monkeypatch.chdir(tmp_path)
    code, _, told = vera(*call.partition(",")[0].split(), *CALLS[call], text if CALLS[call] or call == "edit" else f"run.folder={text}")
    assert code == 2
    assert len(told.strip().splitlines()) == 1
    assert "has signs that can't be shown" in told
    assert LATIN not in told
    assert not list(tmp_path.iterdir())


def test_files_of_any_name_may_be_named(vera, studio, photo, tmp_path):
    mask = tmp_path / f"{LATIN}.png"
    photo("white.png", 255).rename(mask)
    code, _, told = vera("anonymize", photo(f"{LATIN}.jpg"), "--preserve", f"mouth,{mask}", "--out", tmp_path / "out")
    assert code == 0, told
