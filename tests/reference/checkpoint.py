"""Checkpoints in the form of the published code, with random weights."""

from argparse import Namespace

import torch

from tests.reference.semantic_stylegan import PUBLISHED, Discriminator, Generator

TINY = {
    **PUBLISHED, "size": 32, "latent": 6, "n_mlp": 2, "local_layers": 7, "base_layers": 2, "depth_layers": 4, "local_channel": 5,
    "coarse_channel": 8, "coarse_size": 16, "min_feat_size": 8,
}  # fmt: skip
NARROW = 8
"""Width that the published 512 channels shrink to in tests."""


@torch.no_grad()
def roughened(network, seed=0):
    """The network with what starts at zero or one moved away from it: a tensor in the wrong place must be seen."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if parameter.numel() == 1 or parameter.std() == 0:
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return network


def networks(options, widest=512, seed=0):
    """Reference generator and discriminator of these arguments, random weights."""
    torch.manual_seed(seed)
    generator = roughened(Generator(**options, widest=widest), seed)
    discriminator = Discriminator(
        size=options["size"], seg_dim=options["seg_dim"], channel_multiplier=options["channel_multiplier"], widest=widest
    )
    return generator, roughened(discriminator, seed + 1)


def made_up(path, size=TINY["size"]):
    """Write a generator's checkpoint as the published code does: random weights, so that its pictures mean nothing."""
    options = {**TINY, "size": size}
    generator, _ = networks(options, NARROW)
    torch.save(content({key: value for key, value in options.items() if key != "channel_multiplier"}, generator), path)
    return path


def content(options, generator, discriminator=None, **changes):
    """What the published code hands to ``torch.save``."""
    args = Namespace(**{**options, "residual_refine": True, "iter": 150000, "path": "data/lmdb", "lr": 0.002, "ckpt": None, **changes})
    held = {"g": generator.state_dict(), "g_ema": generator.state_dict(), "args": args}
    if discriminator is not None:
        held["d"] = discriminator.state_dict()
        optimizer = torch.optim.Adam(discriminator.parameters())
        held["d_optim"] = optimizer.state_dict()
    return held
