"""Frozen feature networks, and perceptual distances on their features."""
