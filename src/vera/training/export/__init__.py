"""From a run's folder to a bundle."""
