"""Build a parser from a name (``shipped``, ``landmarks``) or a path (bundle folder, ONNX file)."""

from __future__ import annotations

from pathlib import Path

from vera.faces.bundle_parser import BundleParser
from vera.faces.onnx_parser import OnnxParser
from vera.faces.parsing import LandmarkParser, Parser
from vera.types import VeraError

LANDMARKS, SHIPPED = "landmarks", "shipped"
DEFAULT = SHIPPED
"""Name of the default parser."""


def shipped_parser() -> Path:
    """Folder of the parser's bundle that ships with the package."""
    return Path(__file__).parents[1] / "assets" / "parser"


def choose_parser(what: str | Path | None, *, device: str = "cpu") -> Parser:
    """Build a parser from a name or a path.

    Args:
        what: ``shipped`` (the packaged bundle), ``landmarks`` (no weights), the folder of a bundle, or an ONNX file of a 19-class
            parser; None for :data:`DEFAULT`.
        device: device that a network runs on.

    Raises:
        VeraError: nothing of that name, or what the parser itself raises.

    Examples:
        >>> from vera.faces.parser_choice import choose_parser
        >>> choose_parser("landmarks").name
        'landmarks-grabcut'

    """
    name = str(DEFAULT if what is None else what)
    if name == LANDMARKS:
        return LandmarkParser()
    if name == SHIPPED:
        return BundleParser(shipped_parser(), device=device)
    if Path(name).is_dir():
        return BundleParser(name, device=device)
    if Path(name).suffix == ".onnx":
        return OnnxParser(name, device=device)
    raise VeraError(f"no parser '{name}': name {SHIPPED}, {LANDMARKS}, the folder of a parser's bundle, or an .onnx file")
