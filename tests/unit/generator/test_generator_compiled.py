import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_networks_are_one_graph_and_equal_the_eager_ones(backend):
    script = Path(__file__).with_name("compile_networks.py")
    done = subprocess.run([sys.executable, script, backend], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
