"""python compile_networks.py BACKEND: both networks as one graph each, results and gradients as without the compiler.

A process of its own, since the compiler can't see through the checks of shapes that tests/conftest.py installs. In double precision and
compared as in tests/reference/rounding.py, which a script cannot import.
"""

import sys

import torch

from vera.generator.discriminator import Discriminator
from vera.generator.network import Generator
from vera.types import LatentCodes


def main(backend):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    generator = Generator(
        size=32, coarse_size=16, start_size=8, classes=13, transparent=[10, 12], latent=6, local_channels=5, coarse_channels=7,
        layers=[1, 2, 1], channels={16: 5, 32: 4}, attributes={"pose": 3}, mapping_layers=2,
    )  # fmt: skip
    discriminator = Discriminator(size=32, classes=13, channels={4: 6, 8: 6, 16: 5, 32: 4}, group=4)
    with torch.no_grad():
        for parameter in (*generator.parameters(), *discriminator.parameters()):
            if not parameter.any():
                parameter.normal_(std=0.1)
    codes = LatentCodes(torch.randn(4, generator.rows, 6, requires_grad=True), torch.randn(4, 3, requires_grad=True))
    noise = [torch.randn(4, 1, side, side) for side in generator.noise_sides]

    for name, network, arguments, leaves in [
        ("generator", generator, (codes, noise), [codes.local, codes.attributes]),
        ("discriminator", discriminator, [part.detach().requires_grad_() for part in generator(codes)[:2]], []),
    ]:
        leaves += arguments if not leaves else []
        leaves += [parameter for part, parameter in network.named_parameters() if "mapping" not in part]
        results = [outputs(call, arguments, leaves) for call in (network, torch.compile(network, fullgraph=True, backend=backend))]
        for expected, got in zip(*results, strict=True):
            atol = 1e-9 * expected.abs().max().item()
            torch.testing.assert_close(got, expected, rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}")


def outputs(network, arguments, leaves):
    made = network(*arguments)
    parts = [made] if isinstance(made, torch.Tensor) else list(made)
    directions = [torch.randn(part.shape, generator=torch.Generator().manual_seed(1)) for part in parts]
    return [*parts, *torch.autograd.grad(parts, leaves, directions)]


if __name__ == "__main__":
    main(sys.argv[1])
