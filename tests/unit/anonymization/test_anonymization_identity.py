import stat

import pytest
import torch

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

    monkeypatch.setattr("vera.anonymization.private.os.replace", interrupted)
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
