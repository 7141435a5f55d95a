"""Runs: from a configuration to a finished folder, alone, in sweeps and on clusters."""
