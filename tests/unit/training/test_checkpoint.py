import pytest
import torch

from vera.training.export.api import export_generator
from vera.training.runs.record import read_checkpoint
from vera.types import VeraError


def test_what_is_no_checkpoint_is_told(tmp_path):
    with pytest.raises(VeraError, match="cannot be read"):
        read_checkpoint(tmp_path / "absent.ckpt")
    (tmp_path / "garbage.ckpt").write_bytes(b"garbage")
    with pytest.raises(VeraError, match="cannot be read"):
        read_checkpoint(tmp_path / "garbage.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(VeraError, match="not written by vera train"):
        read_checkpoint(tmp_path / "foreign.ckpt")


def test_export_runs_nothing_that_a_checkpoint_names(tmp_path):
    """A checkpoint holds names of classes; only VerA's networks may be among them."""
    touched = tmp_path / "touched"
    for name in ("subprocess.Popen", "vera.bundle.default_bundle", "vera.generator.network.Mapping"):
        state = {"networks": {"generator": {"class": name, "config": {"args": ["touch", str(touched)]}}}, "ema": {}}
        with pytest.raises(VeraError, match=r"only Generator, .* are loaded"):
            export_generator(state, tmp_path / "out", provenance={}, licence="x", card="# x")
    assert not touched.exists()
    assert not (tmp_path / "out").exists()
