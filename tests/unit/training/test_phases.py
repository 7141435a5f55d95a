import pytest
import torch

from vera.data.procedural import ProceduralFaces
from vera.training.callbacks.snapshots import passed
from vera.training.module import complete_gradients, lazy_optim, require_finite
from vera.training.objectives.base import Phase, dealt, require_whole_groups
from vera.types import VeraError


def batch(indices):
    faces = [ProceduralFaces(size=16, count=16, seed=0)[n] for n in indices]
    return {name: torch.stack([face[name] for face in faces]) for name in ("image", "labels")}


def phase(every):
    return Phase("p", "generator", every, 1, False, lambda faces: (torch.zeros(()), {}))


def test_lazy_phases_are_counted_in_images():
    due = [seen for seen in range(0, 20 * 8, 8) if phase(4).due(seen, 8)]
    assert due == [0, 32, 64, 96, 128]
    assert all(phase(1).due(seen, 8) for seen in range(0, 80, 8))
    assert not any(phase(0).due(seen, 8) for seen in range(0, 80, 8))


def test_lazy_optim_follows_the_published_rescaling():
    lr, betas = lazy_optim(16, lr=0.002, betas=(0.0, 0.99))
    assert lr == pytest.approx(0.002 * 16 / 17)
    assert betas == (0.0, pytest.approx(0.99 ** (16 / 17)))
    assert lazy_optim(0, lr=0.002, betas=(0.5, 0.9)) == (0.002, (0.5, 0.9))


def test_multiples_of_n_are_passed_once():
    acts = [now for now in range(12, 121, 12) if passed(50, before=now - 12, now=now)]
    assert acts == [60, 108]


def test_groups_of_the_discriminator_do_not_depend_on_the_split():
    """Samples i, i + B/4, ... of a batch are compared: the same images, over processes and micro-batches."""

    def groups(faces):
        stride = len(faces) // 4
        return {frozenset(faces.indices[n::stride]) for n in range(stride)}

    whole = groups(dealt(batch(range(16)), images_seen=32, rank=0, ranks=1))
    micro = [groups(p) for p in dealt(batch(range(16)), images_seen=32, rank=0, ranks=1).micro_batches(4)]
    ranks = [groups(dealt(batch(range(r, 16, 2)), images_seen=32, rank=r, ranks=2)) for r in range(2)]
    both = [groups(p) for r in range(2) for p in dealt(batch(range(r, 16, 2)), images_seen=32, rank=r, ranks=2).micro_batches(4)]
    assert whole == set.union(*micro) == set.union(*ranks) == set.union(*both)
    assert len(whole) == 4


def test_micro_batches_carry_their_faces():
    data = batch(range(6))
    faces = dealt(data, images_seen=0, rank=0, ranks=1)
    parts = faces.micro_batches(4)
    assert [list(p.indices) for p in parts] == [[0, 2, 4], [1, 3, 5]]
    assert torch.equal(parts[1].sample["image"], data["image"][1::2])
    assert parts[0].segmentations.shape == (3, 13, 16, 16)
    assert set(parts[0].segmentations.unique().tolist()) == {-1.0, 1.0}
    assert [list(p.indices) for p in faces.micro_batches(None)] == [list(range(6))]


@pytest.mark.parametrize(("share", "per_device"), [(6, None), (8, 2), (12, 8), (2, None)])
def test_shares_without_whole_groups_are_refused(share, per_device):
    with pytest.raises(VeraError, match="multiple"):
        require_whole_groups(share, per_device, 4)


def test_whole_groups_pass():
    require_whole_groups(8, 4, 4)
    require_whole_groups(3, None, 1)


def test_missing_gradients_become_zeros_and_the_norm_is_of_all():
    a, b = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    a.grad = torch.tensor([3.0, 4.0])
    assert float(complete_gradients([a, b])) == pytest.approx(5)
    assert torch.equal(b.grad, torch.zeros(3))


def test_what_is_not_finite_stops_the_run():
    require_finite(torch.tensor(1.0), "loss", images_seen=8)
    with pytest.raises(VeraError, match="loss is nan after 8 images"):
        require_finite(torch.tensor(float("nan")), "loss", images_seen=8)
