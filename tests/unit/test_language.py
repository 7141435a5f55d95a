"""The language of docstrings and comments: plain sentences in the field's terms, no riddles."""

import ast
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "vera").rglob("*.py"))
MANUAL = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SAFETY.md", "SECURITY.md")]
MANUAL += sorted(path for folder in ("docs", "experiments", "benchmarks", "src") for path in (ROOT / folder).rglob("*.md"))
CONF = sorted((ROOT / "conf").rglob("*.yaml"))
ARCHITECTURE = ROOT / "docs" / "architecture.md"

# Phrases that a reader has to decode. The first group is banned in comments and the manual, too.
EVERYWHERE = ("see there", "likewise", "of what", "as it were")
DOCSTRINGS = (
    *EVERYWHERE,
    "what is seen",
    "what was seen",
    "what is said",
    "so to speak",
    "by heart",
    "one owner",
    "the one place",
    "the one home",
    "leaves? the house",
    "(this|the) (house|rooms?|floors?)",
    "contestants? ",
    "disturbances? ",
    "a game",
    "the game",
    "games",
)
# A summary names the thing or the action, an entry of Args or Attributes is a noun phrase: neither begins in the middle of a sentence.
FIRST_WORDS = r"(?:what|who|whose|which|where|when|how|of|by|as|it|they|them|see|for|from|with|without|in|at|beside|those|some)\b"
# "Remove it.": the reader does not know what. A summary stands alone.
PRONOUN = r"\w+ (it|them)\b"
LEAST_WORDS = 4


def docstrings(path):
    """Every docstring of a module: its line, the thing's name, the text; attribute docstrings, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if text := ast.get_docstring(node):
            yield node.body[0].lineno, getattr(node, "name", "the module"), text
        for before, after in zip(node.body, node.body[1:], strict=False):
            of_attribute = isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr)
            if of_attribute and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
                yield after.lineno, "", inspect.cleandoc(after.value.value)


def entries(text, section="Args"):
    """The entries of a section of a docstring, as (name, description)."""
    found, inside = [], False
    for line in text.splitlines():
        if line == f"{section}:":
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and (entry := re.fullmatch(r" {4}(\*{0,2}\w+)(?: \([^)]*\))?:(.*)", line)):
            found.append([entry[1], entry[2].strip()])
        elif inside and found:
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    return found


def riddles(text, phrases):
    flat = " ".join(text.split())
    return [phrase for phrase in phrases if re.search(rf"\b{phrase}", flat + " ", re.IGNORECASE)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_docstrings_need_no_decoding(path):
    faults = []
    for line, name, text in docstrings(path):
        faults += [f"line {line}, {name}: {riddle!r}" for riddle in riddles(text, DOCSTRINGS)]
        if name and re.match(PRONOUN, text):
            faults.append(f"line {line}, {name}: a summary names the thing instead of a pronoun: {text.splitlines()[0]!r}")
        if name and re.match(FIRST_WORDS, text, re.IGNORECASE):
            faults.append(f"line {line}, {name}: a summary names the thing or the action: {text.splitlines()[0]!r}")
        for argument, description in entries(text):
            if len(description.split()) < LEAST_WORDS:
                faults.append(f"line {line}, {name}, {argument}: under {LEAST_WORDS} words: {description!r}")
        for entry, description in [*entries(text), *entries(text, "Attributes")]:
            if re.match(FIRST_WORDS, description, re.IGNORECASE):
                faults.append(f"line {line}, {name}, {entry}: an entry is a noun phrase: {description!r}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", [*SOURCES, *CONF], ids=lambda path: str(path.relative_to(ROOT)))
def test_comments_need_no_decoding(path):
    comments = [(number, line.partition("#")[2]) for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
    faults = [f"line {number}: {riddle!r} in {text!r}" for number, text in comments for riddle in riddles(text, EVERYWHERE)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", MANUAL, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_manual_needs_no_decoding(path):
    faults = riddles(path.read_text(encoding="utf-8"), (*EVERYWHERE, "(this|the) (house|rooms|floors)"))
    assert not faults, faults


def helps(path):
    """Every help text of a command's options and arguments: its line and the text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
                    yield node.lineno, keyword.value.value


def test_help_of_options_needs_no_decoding():
    texts = [(path.name, line, text) for path in SOURCES if path.parent.name == "cli" for line, text in helps(path)]
    assert len(texts) > 80
    assert not [text for text in texts if riddles(text[2], DOCSTRINGS) or re.match(FIRST_WORDS, text[2], re.IGNORECASE)]


def test_the_patterns_find_riddles():
    assert riddles("Of the terms; likewise\nof what follows.", DOCSTRINGS) == ["likewise", "of what"]
    assert entries("Load.\n\nArgs:\n    path: the file.\n    **more: and\n        so on.\n\nReturns:\n    x: one.") == [
        ["path", "the file."],
        ["**more", "and so on."],
    ]
    assert re.match(FIRST_WORDS, "What a run leaves behind.", re.IGNORECASE)


def test_cited_contracts_exist():
    """Docstrings cite ``docs/architecture.md#contract-N``: the page has these anchors, and nothing cites a document that is not here."""
    anchors = set(re.findall(r'<a id="([\w-]+)"></a>', ARCHITECTURE.read_text(encoding="utf-8")))
    assert {f"contract-{number}" for number in range(1, 11)} <= anchors
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bDESIGN\b", text), f"{path} cites a document that is not in the repository"
        assert set(re.findall(r"#(contract-\d+)", text)) <= anchors, path
