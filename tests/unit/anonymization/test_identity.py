import stat
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from vera.anonymization.assembly import assemble, kept_rows
from vera.anonymization.identity import TEXTURE, Identity, draw
from vera.rng import derived_seed
from vera.types import LatentCodes, Semantic, VeraError


@pytest.fixture
def bank():
    return torch.randn(400, 28, 8, generator=torch.Generator().manual_seed(0)) * 2 + 5


def drawn(bank, **changes):
    return draw(bank, bank.mean(dim=0), **({"bundle": "b" * 64, "seed": 1, "person": "p", "attempt": 1, "truncation": 1.0} | changes))


def test_a_function_of_seed_person_and_attempt(bank):
    first = drawn(bank).local
    torch.manual_seed(99)  # the global state plays no part
    torch.testing.assert_close(drawn(bank).local, first, rtol=0, atol=0)
    for change in ({"seed": 2}, {"person": "q"}, {"attempt": 2}):
        assert (drawn(bank, **change).local - first).abs().mean() > 0.5


def test_mixtures_vary_as_the_bank_does_and_are_nobody_in_it(bank):
    mean = bank.mean(dim=0)
    many = torch.stack([drawn(bank, seed=seed).local for seed in range(200)])
    shapes, textures = [0, 1, *range(2, len(mean), 2)], list(range(3, len(mean), 2))
    assert (many - mean)[:, shapes].std() == pytest.approx(float(bank.std()), rel=0.1)
    assert (many - mean)[:, textures].std() == pytest.approx(TEXTURE * float(bank.std()), rel=0.1)
    half = torch.stack([drawn(bank, seed=seed, truncation=0.5).local for seed in range(200)])
    torch.testing.assert_close(half - mean, (many - mean) / 2, rtol=1e-4, atol=1e-5)
    nearest = (many[:, None] - bank[None])[:, :, shapes].square().mean(dim=(2, 3)).amin(dim=1)
    assert nearest.min() > 0.35 * bank.var()  # an independent face is at twice the variance


def test_textures_come_from_rows_with_such_skin(bank):
    row, (shape, texture) = LatentCodes.rows([Semantic.SKIN])[1], LatentCodes.rows([Semantic.EYES])
    bank = bank.clone()
    bank[:60, row] += 20  # sixty people of another complexion
    bank[:60, texture] -= 20  # and other eyes with it
    like = [drawn(bank, skin=bank[3, row], seed=seed).local for seed in range(20)]
    for local in like:
        assert local[row].mean() > 20
        assert local[texture].mean() < -8
        assert local[shape].mean() == pytest.approx(5, abs=6)  # shapes come from all
    other = drawn(bank, skin=bank[70, row]).local
    assert other[row].mean() < 10


def test_seeds_from_parts_do_not_collide():
    assert derived_seed(1, "23") != derived_seed(12, "3")
    assert 0 <= derived_seed("x") < 2**63


def test_saved_and_given_again(bank, tmp_path):
    identity = drawn(bank)
    identity.save(tmp_path / "id.safetensors")
    again = Identity.load(tmp_path / "id.safetensors")
    torch.testing.assert_close(again.local, identity.local, rtol=0, atol=0)
    torch.testing.assert_close(again.proportions, identity.proportions, rtol=0, atol=0)
    assert (again.seed, again.attempt, again.bundle, again.truncation) == (1, 1, "b" * 64, 1.0)
    assert stat.S_IMODE((tmp_path / "id.safetensors").stat().st_mode) == 0o600
    again.require_bundle("b" * 64)
    with pytest.raises(VeraError, match="belongs to the bundle"):
        again.require_bundle("c" * 64)


def test_an_interrupted_save_leaves_nothing_behind(bank, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vera.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drawn(bank).save(tmp_path / "id")
    assert not list(tmp_path.iterdir())


def test_what_is_no_identity(bank, tmp_path):
    (tmp_path / "text").write_text("hello")
    for name, says in (("text", "cannot be read"), ("absent", "is missing")):
        with pytest.raises(VeraError, match=f"the identity .*{name}' {says}"):
            Identity.load(tmp_path / name)
    with pytest.raises(VeraError, match="cannot write the identity"):
        drawn(bank).save(tmp_path / "no folder" / "id")
    with pytest.raises(VeraError, match="bank holds 2"):
        drawn(bank[:2])


def test_assembly_keeps_the_photographs_rows():
    codes = LatentCodes(torch.zeros(2, 28, 4), torch.ones(2, 3))
    kept = torch.stack([kept_rows((Semantic.MOUTH,), hair=False, rows=28), kept_rows((), hair=True, rows=28)])
    whole = assemble(codes, torch.ones(28, 4), kept)
    assert torch.equal(whole.attributes, codes.attributes)
    for number, (preserved, hair) in enumerate((((Semantic.MOUTH,), Semantic.HAIR), ((), Semantic.NECK))):
        assert (whole.local[number, LatentCodes.rows([*preserved, hair])] == 0).all()
    assert (whole.local[:, :2] == 0).all()
    assert (whole.local[:, LatentCodes.rows([Semantic.SKIN, Semantic.NOSE])] == 1).all()
    assert (whole.local[1, LatentCodes.rows([Semantic.HAIR, Semantic.MOUTH])] == 1).all()


def forged(path, tensors=None, **facts):
    """An identity's file that somebody else made."""
    known = {"vera_identity": "1", "bundle": "b" * 64, "seed": "1", "attempt": "1", "truncation": "0.7", "harmonized": "0"}
    stated = {name: value for name, value in {**known, **facts}.items() if value is not None}
    save_file({"local": torch.zeros(28, 8), "proportions": torch.zeros(8), **(tensors or {})}, path, stated)
    return path


@pytest.mark.parametrize(
    "tensors",
    [
        {"local": torch.zeros(())}, {"local": torch.zeros(1)}, {"local": torch.zeros(1, 28, 8)}, {"local": torch.zeros(0, 8)},
        {"local": torch.zeros(28, 0)}, {"local": torch.full((28, 8), float("nan"))}, {"local": torch.full((28, 8), float("inf"))},
        {"local": torch.full((28, 8), 1e30)}, {"local": torch.zeros(28, 8, dtype=torch.int64)},
        {"local": torch.zeros(28, 8, dtype=torch.complex64)}, {"proportions": torch.zeros(())}, {"proportions": torch.zeros(7)},
        {"proportions": torch.zeros(8, 1)}, {"proportions": torch.full((8,), float("nan"))}, {"proportions": torch.full((8,), 1e9)},
        {"proportions": torch.zeros(8, dtype=torch.bool)}, {"more": torch.zeros(1)}, {"local": torch.zeros(3_000_000)},
    ],
    ids=lambda tensors: "-".join(f"{name}{tuple(t.shape)}{t.flatten()[:1].tolist()}{t.dtype}" for name, t in tensors.items()),
)  # fmt: skip
def test_an_identity_has_the_shapes_and_ranges_of_a_face(tmp_path, tensors):
    with pytest.raises(VeraError, match="identity") as told:
        Identity.load(forged(tmp_path / "id", tensors))
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["seed", "attempt", "truncation", "harmonized"])
@pytest.mark.parametrize("value", [None, "", "x", "nan", "inf", "-1", "1e400", "9" * 400, "9" * 5000, "[]"])
def test_an_identitys_facts_have_their_ranges(tmp_path, name, value):
    with pytest.raises(VeraError, match=name):
        Identity.load(forged(tmp_path / "id", **{name: value}))


@pytest.mark.parametrize("value", [None, "", "2", "x" * 1000])
def test_an_identity_of_another_version(tmp_path, value):
    with pytest.raises(VeraError, match="not an identity of this version"):
        Identity.load(forged(tmp_path / "id", vera_identity=value))


def test_an_identity_fits_the_bundle(tmp_path):
    identity = Identity.load(forged(tmp_path / "id", bundle="\x1b[31mred"))
    with pytest.raises(VeraError, match=r"belongs to the bundle \?\[31mred, not"):
        identity.require_bundle("c" * 64)
    identity.require_codes((28, 8))
    for shape in ((28, 9), (30, 8), (28,)):
        with pytest.raises(VeraError, match="the file is damaged"):
            identity.require_codes(shape)


@settings(max_examples=60, deadline=None, database=None)
@given(data=st.data())
def test_any_bytes_are_an_identity_or_one_sentence(tmp_path_factory, data):
    path = forged(tmp_path_factory.getbasetemp() / "fuzzed_identity")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 700))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with suppress(VeraError):
        identity = Identity.load(path)
        assert identity.local.isfinite().all()
        assert identity.proportions.shape == (8,)
