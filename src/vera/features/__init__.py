"""Frozen networks, and distances on their features."""
