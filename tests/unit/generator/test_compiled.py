import subprocess
import sys
from pathlib import Path

import pytest


# "eager" only traces: one graph, and the same results. The others compile gradients too, which takes minutes.
@pytest.mark.parametrize("backend", ["eager", *(pytest.param(name, marks=pytest.mark.slow) for name in ("aot_eager", "inductor"))])
def test_compiled_networks_are_one_graph_and_equal_the_eager_ones(backend):
    script = Path(__file__).with_name("compile_networks.py")
    done = subprocess.run([sys.executable, script, backend], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
