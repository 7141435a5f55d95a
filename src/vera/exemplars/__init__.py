"""Photographic faces of nobody, and fitting one to a photograph: the default renderer of the anonymizer (not the paper's method)."""
