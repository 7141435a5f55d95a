"""Training: objectives of the stages, the LightningModule that runs them, EMA, schedules in images, callbacks, runs and export."""
