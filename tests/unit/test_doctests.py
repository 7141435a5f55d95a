"""The examples in docstrings run and give what they say; the most used public objects have one."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import vera

ROOT = Path(__file__).parents[2]
SLOW = {"vera.anonymization.interface", "vera.evaluation.api"}
MOST_USED = (
    "vera.anonymization.interface.anonymize",
    "vera.anonymization.request.Options",
    "vera.attributes.encoder.AttributeEncoder",
    "vera.bundle.load",
    "vera.data.people.folder",
    "vera.data.procedural.ProceduralFaces",
    "vera.data.sample.decode_images",
    "vera.evaluation.api.evaluate",
    "vera.evaluation.metrics.frechet.frechet",
    "vera.faces.alignment.align",
    "vera.faces.detection.DlibDetector",
    "vera.faces.parser_choice.choose_parser",
    "vera.faces.photograph.photograph_from_pixels",
    "vera.faces.photograph.read_photograph",
    "vera.faces.photograph.write_png",
    "vera.faces.recognition.DlibRecogniser",
    "vera.files.write_whole",
    "vera.generator.network.Generator",
    "vera.rng.derived_seed",
    "vera.types.LatentCodes",
    "vera.types.Semantic.named",
    "vera.types.to_probabilities",
)


def modules_with_examples():
    """Modules whose source holds an example; found in the text, so that nothing else is imported."""
    for found in pkgutil.walk_packages(vera.__path__, "vera."):
        path = ROOT / "src" / Path(*found.name.split("."))
        path = path / "__init__.py" if found.ispkg else path.with_suffix(".py")
        if ">>> " in path.read_text(encoding="utf-8"):
            yield pytest.param(found.name, marks=[pytest.mark.slow] if found.name in SLOW else [])


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_give_what_they_say(name):
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize("name", MOST_USED)
def test_the_most_used_objects_have_an_example(name):
    module, _, rest = name.partition(".named")[0].rpartition(".")
    module, rest = (module, rest) if not name.endswith(".named") else ("vera.types", "Semantic")
    found = getattr(importlib.import_module(module), rest)
    found = found.named if name.endswith(".named") else found
    assert "Examples:\n" in found.__doc__
