"""Baselines behind the anonymizer protocol: blur, pixelation, a cover of one colour, and k-Same averaging."""
