import ast
import configparser
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "vera").rglob("*.py"))


@pytest.fixture(scope="module")
def setup_cfg():
    config = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",))
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def test_packages_listed_are_those_in_the_tree(setup_cfg):
    listed = set(setup_cfg["options"]["packages"].split())
    found = {".".join(path.parent.relative_to(ROOT / "src").parts) for path in SOURCES}
    assert listed == found | {"vera.conf"}


def test_every_package_has_an_init():
    assert not [path for path in SOURCES if not (path.parent / "__init__.py").is_file()]


def test_configuration_and_bundles_are_package_data(setup_cfg):
    data = setup_cfg["options.package_data"]
    for package, folder in (("vera.conf", ROOT / "conf"), ("vera.assets", ROOT / "src" / "vera" / "assets")):
        patterns = [pattern.strip() for pattern in data[package].split(",")]
        carried = {path for pattern in patterns for path in folder.glob(pattern)}
        present = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
        assert present <= carried, f"a wheel would not carry {sorted(str(path) for path in present - carried)}"


def test_version_is_the_metadatas(setup_cfg):
    import vera

    assert vera.__version__ == setup_cfg["metadata"]["version"]


def layers(text):
    """The layers of an import contract, from the highest; each is a set of packages."""
    return [set(re.findall(r"\w+", layer)) for layer in re.split(r"[>\n]", text) if layer.strip()]


def test_every_package_is_in_the_import_contract(setup_cfg):
    packages = {path.relative_to(ROOT / "src" / "vera").parts[0].removesuffix(".py") for path in SOURCES} - {"__init__", "assets"}
    assert packages == set().union(*layers(setup_cfg["importlinter:contract:layers"]["layers"]))


def test_the_architecture_shows_the_import_contract_and_all_packages(setup_cfg):
    section = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Packages and layers")[2].partition("\n## ")[0]
    shown = re.search(r"```text\n(.*?)```", section, re.DOTALL)[1].replace("\n    >", ">")
    contract = layers(setup_cfg["importlinter:contract:layers"]["layers"])
    assert layers(shown) == contract
    described = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    assert described == set().union(*contract)


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_import_contract_holds(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_module_keeps_the_rules(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert len(text.splitlines()) <= 420, "too long: one idea a file"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"print in line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in line {node.lineno}"
            assert not all(isinstance(part, ast.Pass) for part in node.body), f"swallowed exception in line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"wildcard import in line {node.lineno}"


def test_no_package_is_named_after_a_kind_of_code():
    assert not {path.stem for path in SOURCES} & {"utils", "util", "common", "helpers", "misc", "losses", "models"}


def test_a_docstring_cites_contracts_that_are_in_the_repository():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        assert "DESIGN:" not in source, path
        for anchor in re.findall(r"docs/architecture\.md#([\w-]+)", source):
            assert f'id="{anchor}"' in text, f"{path} cites {anchor}"


def module_name(path):
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_tests_that_the_architecture_names_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", text)
    assert len(named) > 10
    for file, test in named:
        path = ROOT / "tests" / (file if file.startswith("integration/") else f"unit/{file}")
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"


def test_no_module_repeats_its_packages_name():
    repeated = [path for path in SOURCES if path.stem.startswith(f"{path.parent.name}_") or path.stem == path.parent.name]
    assert not repeated


def test_no_test_file_repeats_its_folders_name():
    files = (ROOT / "tests").rglob("*.py")
    assert not [path for path in files if re.match(f"(test_)?{path.parent.name}(_|$)", path.stem)]


def test_the_test_files_that_the_docs_name_are_there():
    present = ["/" + path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    for page in (ROOT / "docs").glob("*.md"):
        for name in re.findall(r"`([\w/]*test_\w+\.py)", page.read_text(encoding="utf-8")):
            assert any(path.endswith(f"/{name}") for path in present), f"{page.name} names {name}"


def test_a_class_name_means_one_thing():
    homes = {}
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module_name(path))
    assert not {name: modules for name, modules in homes.items() if len(modules) > 1}


def constants():
    """Every constant of a module: its name, module and value (a syntax tree)."""
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            for target in targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, module_name(path), node.value


def test_a_set_of_classes_has_one_name_and_a_name_means_one_set():
    sets, names = {}, {}
    for name, _, value in constants():
        if isinstance(value, ast.Tuple) and all(re.fullmatch(r"(Semantic|S)\.[A-Z]+", ast.unparse(part)) for part in value.elts):
            classes = frozenset(part.attr for part in value.elts)
            sets.setdefault(classes, set()).add(name)
            names.setdefault(name, set()).add(classes)
    assert sets
    assert not {*(str(found) for found in sets.values() if len(found) > 1), *(name for name, found in names.items() if len(found) > 1)}


def test_constants_that_had_several_meanings_have_one_home():
    homes = {}
    for name, module, _ in constants():
        homes.setdefault(name, []).append(module)
    once = ("FACE", "PARTS", "FOREHEAD", "HAIRLINE", "LEAST_VISIBLE", "REFINEMENT")
    assert {name: homes[name] for name in once if len(homes[name]) != 1} == {}


def imports_between(package):
    """Pairs of modules of a package of which one imports the other."""
    modules = {module_name(path): path for path in SOURCES if module_name(path).startswith(f"{package}.")}
    pairs = set()
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                wanted = (f"{node.module}.{alias.name}" for alias in node.names)
                pairs |= {(name, found if found in modules else node.module) for found in wanted}
            elif isinstance(node, ast.Import):
                pairs |= {(name, alias.name) for alias in node.names}
    return {(name, found) for name, found in pairs if found in modules and name != found}


BEFORE = {"vera.evaluation": 109, "vera.training": 52}
"""Imports between modules of a package before the redesign (commit 44062ba), counted as here."""
MODULES = {"vera.evaluation": 38, "vera.training": 29}
"""Modules of these packages when their imports were halved; each further one may bring two: somebody's import of it, and its own."""


@pytest.mark.parametrize("package", BEFORE)
def test_imports_between_the_modules_of_a_package_are_halved(package):
    modules = sum(module_name(path).startswith(f"{package}.") for path in SOURCES)
    most = BEFORE[package] // 2 + 2 * max(0, modules - MODULES[package])
    found = sorted(imports_between(package))
    assert 0 < len(found) <= most, f"{len(found)} imports between modules of {package}, at most {most} are allowed: {found}"


def test_no_two_packages_inside_a_package_import_each_other():
    """Sub-packages of evaluation and training have an order, too."""
    for package in BEFORE:
        pairs = {tuple(name.removeprefix(f"{package}.").partition(".")[0] for name in pair) for pair in imports_between(package)}
        assert not [pair for pair in pairs if pair[0] != pair[1] and pair[::-1] in pairs]


def test_importing_vera_is_light():
    code = "import sys, vera; heavy = {'torch', 'cv2', 'hydra'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tools_are_configured():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert settings["mypy"]["strict"] is True
    assert "not slow and not gpu" in settings["pytest"]["ini_options"]["addopts"]


LOCK, WHOLE, MEMORY = "a lock's file", "into a folder that files.new_folder places whole", "into memory"
WRITES = {
    "files.py": "the one writer",
    "bundle.py": WHOLE,
    "cli/lock.py": LOCK,
    "cli/placing.py": "moves of the journal, which must not replace anything",
    "data/packing.py": WHOLE,
    "data/published_lmdb.py": WHOLE,
    "data/remote.py": "copies of files at addresses, into a private folder that is removed",
    "evaluation/protocol/items.py": LOCK,
    "evaluation/protocol/cache.py": MEMORY,
    "evaluation/report/results.py": MEMORY,
    "serve/archive.py": "a ZIP, which is not in memory as a whole; a part that is moved when it is whole",
    "serve/bodies.py": "uploads, piece by piece, which are not in memory as a whole",
    "serve/folder.py": LOCK,
    "serve/patients.py": "moves an upload to its place",
    "faces/clip_file.py": "FFmpeg writes into the hidden folder, and the file is read back",
    "faces/segmenter_onnx.py": "torch writes a part, which is read and removed",
    "training/runs/record.py": LOCK,
    "training/runs/run.py": "puts Lightning's log aside",
    "training/runs/sweep.py": LOCK,
}
"""Modules that write otherwise than by vera.files, and why. Parts of other libraries (loggers, Hydra) write as these do."""
SIGNED, OWN = "an image; its format, size and pixels are checked first", "from the package itself, or a package beside it"
NETWORK = "a network that the user names; its library reads it, tensors and plain values only"
READS = {
    "untrusted.py": "the one reader",
    "files.py": "digests, and the end of a file of lines",
    "bundle.py": "a digest",
    "cli/checks.py": OWN,
    "cli/hydra.py": "the configuration groups, which are part of the program",
    "cli/output.py": "what this call has just written",
    "cli/page_engine.py": "the header of the picture that the page shows, which the engine has written",
    "cli/threads.py": "the system's own files",
    "faces/clip_file.py": "the first bytes, which tell a video from a picture; FFmpeg reads it within limits",
    "data/decoding.py": SIGNED,
    "data/manifest_index.py": "a table that is not read as a whole; each line and cell is checked",
    "data/packing.py": "images and masks, byte for byte",
    "data/published_lmdb.py": "an LMDB, which is not read as a whole; its images are decoded by decoding.py",
    "data/remote.py": "files at addresses, byte for byte within a limit, and digests",
    "data/shard_index.py": "headers of a tar file, which is not read as a whole",
    "data/shards.py": "places in a tar file, checked against its size",
    "evaluation/metrics/age.py": NETWORK,
    "evaluation/metrics/gaze.py": NETWORK,
    "training/runs/folder.py": "text that vera.untrusted has read",
    "exemplars/bank.py": "images in tensors of a bundle",
    "exemplars/building.py": "mosaics of one's own",
    "faces/calibration.py": OWN,
    "faces/dicom.py": SIGNED,
    "faces/heif.py": SIGNED,
    "faces/image_file.py": SIGNED,
    "faces/onnx_parser.py": NETWORK,
    "faces/onnx_recogniser.py": NETWORK,
    "faces/opencv_zoo.py": OWN,
    "faces/segmenter_onnx.py": "what this call has just written",
    "features/efficientnet.py": OWN,
    "features/lpips_network.py": NETWORK,
    "features/onnx_network.py": NETWORK,
    "generator/published.py": NETWORK,
    "mosaic/build.py": "what this call has just encoded, and a digest",
    "mosaic/report.py": "mosaics of one's own",
    "mosaic/sources.py": SIGNED,
    "serve/app.py": OWN,
    "serve/archive.py": "what the server has just written, byte for byte",
    "training/runs/record.py": NETWORK,
    "training/runs/stored.py": "text that vera.untrusted has read",
}
"""Modules that read otherwise than by vera.untrusted, and why."""
WRITING = re.compile(
    r".*\.rename|os\.(rename|replace)|(.*\b)?save_file|shutil\.(copy\w*|move)|tempfile\.(NamedT\w+|mk\w+)"
    r"|np\.save\w*|(torch|OmegaConf|onnx)\.save|torch\.onnx\.export|cv2\.imwrite|.+\.write_(text|bytes)"
)
READING = re.compile(
    r".+\.read_(text|bytes)|(json|yaml|np|torch|OmegaConf|onnx|pickle)\.(load|loads|safe_load|load_from_string)|(.*\b)?(safe_open|load_file)"
    r"|csv\.\w*[rR]eader|(Image|tarfile|zipfile)\.open|(\w+\.)?InferenceSession|cv2\.(imread|dnn\.read\w+)"
)
MODE = re.compile(r"[rwaxbt+]{1,3}")


def accesses(path):
    """What a module does with files: ("write" or "read", line)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called, of = ast.unparse(node.func), ast.unparse(node)
        modes = [part.value for part in node.args if isinstance(part, ast.Constant) and MODE.fullmatch(str(part.value))]
        opens = re.search(r"(^|\.)open$", called) and (modes or not node.args or called in {"open", "os.open", "tarfile.open", "lmdb.open"})
        moves = called.endswith(".replace") and len(node.args) == 1 and not node.keywords  # a text's has two
        if opens:
            writes = any(set(mode) & set("wax+") for mode in modes) or re.search("O_WRONLY|O_RDWR|O_CREAT|map_size", of)
            yield "write" if writes else "read", node.lineno
        elif moves or WRITING.fullmatch(called):
            yield "write", node.lineno
        elif READING.fullmatch(called):
            yield "read", node.lineno


@pytest.mark.parametrize(("kind", "allowed"), [("write", WRITES), ("read", READS)])
def test_files_are_written_and_read_in_one_place(kind, allowed):
    found = {}
    for path in SOURCES:
        for what, line in accesses(path):
            if what == kind:
                found.setdefault(str(path.relative_to(ROOT / "src" / "vera")), []).append(line)
    others = {name: lines for name, lines in found.items() if name not in allowed}
    assert not others, f"{kind} by vera.{'files' if kind == 'write' else 'untrusted'}, or say here why not: {others}"
    assert sorted(set(allowed) - set(found)) == [], "these do so no longer: take them from the list"
