"""Photographs to latent codes: encoder, objective, refinement at test time."""
