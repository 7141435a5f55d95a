"""Read the stored configuration of a training run safely: only parts of VerA are built from it.

``vera export`` builds a run's data set or attribute encoders again from the run's ``config.yaml``, and a run's folder may come from
somebody else. The command line's own configuration (``vera train``, ``vera evaluate``) is the user's, and does not pass here.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vera.moved import TARGET, current, modernise
from vera.types import VeraError
from vera.untrusted import read_bytes, require_plain, shown

LIMIT, DEPTH = 1 << 18, 32
"""DECISION: bytes and levels of nesting of a run's configuration; those of VerA's experiments have some 6 kB and 8 levels."""
ELSEWHERE = (
    "pytorch_lightning.Trainer",
    "pytorch_lightning.loggers.CSVLogger",
    "pytorch_lightning.loggers.TensorBoardLogger",
    "pytorch_lightning.loggers.WandbLogger",
)
"""Targets of other packages that VerA's own configuration names. They may stand in a file, and are not built from it."""
COMMANDS = "vera.cli"
"""The package that is never built from a file: its modules run commands."""
T = TypeVar("T")


def read_config(path: Path) -> DictConfig:
    """A run's ``config.yaml``, to build parts from: plain values, and no target that is not VerA's.

    Raises:
        VeraError: see :func:`read_values`, or it names a target of another package.

    """
    config = read_values(path)
    for target in _targets(OmegaConf.to_container(config, resolve=False)):
        _require_ours(target, f"'{path}'")
    modernise(config)
    return config


def read_values(path: Path) -> DictConfig:
    """A run's ``config.yaml``, to compare or show: plain values.

    Raises:
        VeraError: the file is missing, too large, or no YAML of a run.

    """
    what = f"'{path}'"
    content = read_bytes(path, limit=LIMIT, what=what)
    try:
        text = content.decode("utf-8")
        _require_simple(text, what)
        config = OmegaConf.load(io.StringIO(text))
        plain: Any = OmegaConf.to_container(config, resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError, ValueError, OSError, AttributeError, TypeError) as error:
        raise VeraError(f"{what} is damaged: it is no configuration that vera train wrote") from error
    if not isinstance(config, DictConfig) or not plain:
        raise VeraError(f"{what} is no configuration of a run: it is a list, or empty")
    require_plain(_named(plain), what=what, depth=DEPTH)
    for value in _texts(plain):
        if "${" in value:
            raise VeraError(f"{what} holds the interpolation '{shown(value)}', and vera train writes none: use the file that it wrote")
    return config


def build(config: Any, key: str, kind: type[T], *, packages: tuple[str, ...], what: str) -> T:
    """Build a part that a run's configuration describes.

    Args:
        config: the configuration from :func:`read_config`, or a part of it.
        key: key of the part, levels separated by dots.
        kind: class of the part; a protocol stands for its methods.
        packages: packages in ``vera`` from which classes may come.
        what: the file's name in messages.

    Raises:
        VeraError: the part is missing, no such part, names a class from elsewhere, or cannot be built.

    """
    try:
        node = OmegaConf.select(config, key)
        described = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else None
    except OmegaConfBaseException as error:
        raise VeraError(f"{what} has no usable '{key}': {shown(error)}") from error
    if not isinstance(described, dict) or TARGET not in described:
        raise VeraError(f"{what} does not describe '{key}': use the file that vera train wrote")
    modernise(described)
    for target in _targets(described):
        found = find_class(target, what=what)
        if not any(found.__module__.startswith(f"vera.{package}.") for package in packages):
            raise VeraError(f"{what} names '{shown(target)}' in '{key}', where only classes of vera.{', vera.'.join(packages)} belong")
    methods = [name for name in ("__getitem__", "__len__", "forward") if name in vars(kind)]
    if not all(hasattr(find_class(described[TARGET], what=what), name) for name in methods):
        raise VeraError(f"{what} names '{shown(described[TARGET])}' as '{key}', which is no {kind.__name__}")
    try:
        made: T = instantiate(described, _convert_="all")
    except (HydraException, OmegaConfBaseException) as error:
        cause = next((cause for cause in _causes(error) if isinstance(cause, VeraError)), None)
        raise cause or VeraError(f"{what}: '{key}' cannot be built: {shown(str(error).partition(chr(10))[2] or error)}") from error
    if not isinstance(made, find_class(described[TARGET], what=what)):  # `_partial_`, say
        raise VeraError(f"{what}: '{key}' describes no whole {kind.__name__}: use the file that vera train wrote")
    return made


def find_class(target: str, *, what: str) -> type[Any]:
    """The class of VerA that a target names, in the module that defines it.

    Args:
        target: its path, for example ``vera.data.folder.FolderDataset``.
        what: the file that names it, for messages.

    Raises:
        VeraError: there is no such class, or the path leads to something that the module merely imports.

    """
    target = current(target)
    _require_ours(target, what)
    parts = target.split(".")
    count = 1
    while count < len(parts) and _is_module(".".join(parts[: count + 1])):
        count += 1
    module = ".".join(parts[:count])
    found: Any = importlib.import_module(module)
    for name in parts[count:]:
        found = getattr(found, name, None)
    if not isinstance(found, type) or found.__module__ != module or found.__qualname__ != ".".join(parts[count:]):
        raise VeraError(f"{what} names '{shown(target)}', which is no class of this version of VerA: nothing was built")
    return found


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):  # the part before the last dot is no package
        return False


def _require_ours(target: Any, what: str) -> None:
    """Raise a VeraError unless a target's path is one of VerA's (or of :data:`ELSEWHERE`); nothing is imported."""
    if target in ELSEWHERE:
        return
    parts = target.split(".") if isinstance(target, str) else []
    plain = all(part.isidentifier() and not part.startswith("_") for part in parts)
    if len(parts) < 3 or parts[0] != "vera" or not plain or ".".join(parts[:2]) == COMMANDS:
        raise VeraError(f"{what} names '{shown(target)}': only parts of the package vera are built from a run's file; nothing was built")


def _require_simple(text: str, what: str) -> None:
    """Raise a VeraError for YAML with aliases, tags or deep nesting: small files can stand for huge values with them."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or str(getattr(event, "tag", None) or "").startswith("!"):
            raise VeraError(f"{what} uses anchors or tags of YAML, and vera train writes none: use the file that it wrote")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise VeraError(f"{what} is nested deeper than {DEPTH} levels: it was not written by vera train")


def _named(value: Any) -> Any:
    """Convert mapping keys to texts, since YAML allows numbers, too."""
    if isinstance(value, dict):
        return {str(key): _named(part) for key, part in value.items()}
    return [_named(part) for part in value] if isinstance(value, list) else value


def _nodes(value: Any) -> Iterator[Any]:
    """A value and all that is in it."""
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(part)


def _targets(plain: Any) -> list[Any]:
    return [node[TARGET] for node in _nodes(plain) if isinstance(node, dict) and TARGET in node]


def _texts(plain: Any) -> list[str]:
    keys = [key for node in _nodes(plain) if isinstance(node, dict) for key in node]
    return [text for text in (*keys, *_nodes(plain)) if isinstance(text, str)]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__
