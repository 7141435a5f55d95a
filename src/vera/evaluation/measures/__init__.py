"""Measures: how photographs, faces and generators are fed to the metrics."""
