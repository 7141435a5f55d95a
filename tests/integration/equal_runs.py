"""When two runs are one run that was split in another way: over processes or micro-batches.

Such runs add the same numbers in another order, so they agree up to rounding, and a comparison must allow for it. In single precision
no tolerance is both sharp and safe. Path lengths and R1 are functions of the networks' *derivatives*, and those jump where a leaky ReLU
changes its slope. Among some ten thousand activations of one step, one is as near to zero as rounding is large: with one process it was
+1.3e-8, with two -2.1e-7 (all its layer's: 0.18 on average), and the length of that face's path jumped by 0.7 percent, `game.path_mean` by
0.08 percent. Which activation it is, if any, depends on the processor and on the number of threads.

In double precision rounding is 5e8 times smaller: no activation lies that near to zero, and the same run with one process and with two
agreed to 1e-12. So these runs compute in double precision. A real difference, such as a mean taken over one process's faces alone, is a
percent or more.
"""

import torch
from tests.reference.rounding import assert_equal_but_for_rounding

DOUBLE = "trainer.precision=64-true"
"""The override that makes a run compute in double precision."""


def assert_equal_runs(one, other):
    """Tensors of two checkpoints, by name: equal but for rounding, and what is counted is equal."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if value.is_floating_point():
            assert_equal_but_for_rounding(other[name], value, name)
        else:
            assert torch.equal(value, other[name]), name
