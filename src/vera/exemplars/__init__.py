"""Exemplars: photographic faces of nobody, mixed and fitted to a photograph (the default renderer, not the paper's method)."""
