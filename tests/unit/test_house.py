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


def test_every_room_is_in_the_import_contract(setup_cfg):
    layers = set(re.findall(r"\w+", setup_cfg["importlinter:contract:rooms"]["layers"]))
    rooms = {path.relative_to(ROOT / "src" / "vera").parts[0].removesuffix(".py") for path in SOURCES} - {"__init__", "assets"}
    assert rooms <= layers


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_import_contract_holds(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_module_keeps_the_house_rules(path):
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


@pytest.mark.skipif(not (ROOT / "docs" / "architecture.md").is_file(), reason="the page is written on another branch")
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


def test_no_module_repeats_its_packages_name():
    repeated = [path for path in SOURCES if path.stem.startswith(f"{path.parent.name}_") or path.stem == path.parent.name]
    assert not repeated


def test_a_class_name_means_one_thing():
    homes = {}
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module_name(path))
    assert not {name: modules for name, modules in homes.items() if len(modules) > 1}


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


@pytest.mark.parametrize(("package", "before"), [("vera.evaluation", 109), ("vera.training", 55)])
def test_modules_import_each_other_half_as_much_as_when_prefixes_were_packages(package, before):
    assert 0 < len(imports_between(package)) <= before / 2


def test_importing_vera_is_light():
    code = "import sys, vera; heavy = {'torch', 'cv2', 'hydra'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tools_are_configured():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert settings["mypy"]["strict"] is True
    assert "not slow and not gpu" in settings["pytest"]["ini_options"]["addopts"]
