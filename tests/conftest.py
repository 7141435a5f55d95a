"""Shapes and types at the boundaries of the rooms are checked in tests, and only there."""

from jaxtyping import install_import_hook

ROOMS = ("ops", "features", "generator", "inversion", "data.sample")
install_import_hook([f"vera.{room}" for room in ROOMS], "beartype.beartype").__enter__()
