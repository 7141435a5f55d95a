"""Callbacks of a training run: snapshots, progress, contact sheets, the Fréchet curve."""
