"""LightningModules, and what surrounds them: EMA, schedules in images, snapshots, the run."""
