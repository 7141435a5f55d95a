"""Two gloo processes with half the faces each: the loss of one process, and after DDP's mean its gradients."""

import functools

import torch
import torch.distributed as dist
from tests.reference.rounding import assert_equal_but_for_rounding
from torch import multiprocessing, nn

from vera.attributes.objective import ContrastiveObjective, Margin, NTXent
from vera.attributes.projection import Projection
from vera.ops.gathering import Standardise, gather


class Width(nn.Module):
    width, quantities = 4, ()


def objective(loss):
    torch.manual_seed(1)
    made = ContrastiveObjective(encoders={"a": Width()}, weights={"a": 1.0}, loss=loss, projection={"hidden": 6, "outputs": 5})
    assert isinstance(made.heads["a"], Projection)
    return made.double()


def faces():
    torch.manual_seed(2)
    return torch.randn(8, 4, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 2, 3, 2, 3])


LOSSES = {"ntxent": NTXent(temperature=0.1), "margin": Margin(same=0.1, different=0.9)}


def one_step(loss, rows):
    """Loss, gradients of the heads, gradient of these faces."""
    contrastive, (values, codes) = objective(loss), faces()
    mine = values[rows].clone().requires_grad_()
    value = contrastive({"a": mine}, {"a": codes[rows]})["a"]
    value.backward()
    return float(value.detach()), [p.grad for p in contrastive.parameters()], mine.grad


def standardised(rows):
    """Standardised faces, the gradient of a loss on them, and the statistics that are kept."""
    layer, mine = Standardise(4, affine=False).double(), faces()[0][rows].clone().requires_grad_()
    out = layer(mine)
    (out**3).mean().backward()
    return out.detach(), mine.grad, layer.running_mean, layer.running_var


def work(rank, address, kept):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
    found = {name: one_step(loss, slice(rank, None, 2)) for name, loss in LOSSES.items()}
    for _, gradients, _ in found.values():
        for gradient in gradients:  # what DistributedDataParallel does
            dist.all_reduce(gradient)
            gradient /= 2
    torch.save((found, gather(torch.full((1, 2), float(rank))), standardised(slice(rank, None, 2))), f"{kept}{rank}")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    run = functools.partial(work, address=tmp_path / "rendezvous", kept=f"{tmp_path}/rank")
    multiprocessing.spawn(run, nprocs=2)
    ranks = [torch.load(tmp_path / f"rank{rank}") for rank in range(2)]
    for name, loss in LOSSES.items():
        value, gradients, inputs = one_step(loss, slice(None))
        for rank, (found, *_) in enumerate(ranks):
            assert abs(found[name][0] - value) < 1e-12
            assert_equal_but_for_rounding(found[name][1], gradients, name)
            assert_equal_but_for_rounding(found[name][2], 2 * inputs[rank::2], name)  # the sum over both; DDP's mean halves it
    out, gradient, mean, variance = standardised(slice(None))
    for rank, (_, gathered, (own, its, *kept)) in enumerate(ranks):
        assert gathered.tolist() == [[0, 0], [1, 1]]
        assert_equal_but_for_rounding((own, its, *kept), (out[rank::2], 2 * gradient[rank::2], mean, variance))


def test_one_process_gathers_nothing():
    rows = torch.randn(3, 2)
    assert gather(rows) is rows
