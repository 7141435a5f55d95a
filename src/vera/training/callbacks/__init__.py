"""What surrounds a run's steps: snapshots, progress, contact sheets, the Fréchet curve."""
