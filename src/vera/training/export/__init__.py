"""Export a training run as a bundle."""
