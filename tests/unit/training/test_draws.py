import torch

from vera.rng import Draws

CPU = torch.device("cpu")


def test_an_image_draws_the_same_in_any_company():
    together = Draws(3, CPU).normal("z", range(8), 5)
    ranks = [Draws(3, CPU).normal("z", range(rank, 8, 2), 5) for rank in range(2)]
    assert torch.equal(together[0::2], ranks[0])
    assert torch.equal(together[1::2], ranks[1])


def test_seed_stream_and_index_each_matter():
    rows = [Draws(seed, CPU).uniform(stream, [index], 4) for seed in (0, 1) for stream in ("a", "b") for index in (0, 1)]
    assert len({tuple(row.flatten().tolist()) for row in rows}) == 8


def test_distributions():
    draws = Draws(0, CPU)
    normal, uniform = draws.normal("n", range(200), 100), draws.uniform("u", range(200), 100)
    assert abs(float(normal.mean())) < 0.03
    assert abs(float(normal.std()) - 1) < 0.03
    assert 0 <= float(uniform.min()) < 0.01
    assert 0.99 < float(uniform.max()) < 1
    assert abs(float(normal[0] @ normal[1]) / 100) < 0.5  # neighbours are independent


def test_noise_maps_have_their_sides():
    maps = Draws(0, CPU).maps("noise", [4, 9], [4, 4, 8])
    assert [tuple(m.shape) for m in maps] == [(2, 1, 4, 4), (2, 1, 4, 4), (2, 1, 8, 8)]
    assert not torch.equal(maps[0], maps[1])
    assert torch.equal(maps[2][1], Draws(0, CPU).maps("noise", [9], [4, 4, 8])[2][0])


def test_a_run_in_double_precision_draws_in_double_precision():
    draws = Draws(0, CPU, torch.float64)
    assert {x.dtype for x in (draws.normal("n", [0], 3), draws.uniform("u", [0], 3), *draws.maps("m", [0], [4]))} == {torch.float64}
