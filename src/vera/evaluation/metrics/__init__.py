"""Measures, one file each: ``torchmetrics.Metric``s that take their network as an argument and add up over processes."""
