"""Judging anonymizers: measures, the baselines every table has, the protocol that runs them, and its report."""
