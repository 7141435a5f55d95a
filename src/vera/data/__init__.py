"""Datasets of faces with segmentations, and the stream that training draws from."""
