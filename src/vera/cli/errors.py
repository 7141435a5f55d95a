"""Turn any error into one sentence and an exit code, for VerA's own errors and for those of libraries.

Libraries are known by the names of their classes, so that nothing is imported for the sake of a message.
"""

from __future__ import annotations

import difflib
import errno
import re
import traceback
from collections.abc import Callable
from typing import Any

from vera.cli import EXIT_BAD_INPUT, EXIT_FAULT, EXIT_REFUSED
from vera.files import printable

MEMORY = "there is not enough memory: close other programs, or ask for less at once (smaller photographs, a smaller batch_size)"
HINTS = {
    errno.ENOSPC: "free some space, or choose another folder",
    errno.EDQUOT: "free some space, or choose another folder",
    errno.EACCES: "check its permissions, or choose another place",
    errno.EPERM: "check its permissions, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "close other programs, or raise the limit (ulimit -n)",
}


MOVED_SETTINGS = {
    "A stage's settings lie in `stage` itself": (r"stage\.module\.(?:game\.|objective\.)*(.+)", r"stage.\1"),
    "An encoder's arguments lie in its attribute itself": (r"attributes\.(\w+)\.encoder\.(.+)", r"attributes.\1.\2"),
    "A metric's settings lie in its entry itself": (r"metrics\.(\w+)\.metric\.(.+)", r"metrics.\1.\2"),
}
"""What to say of settings that lay deeper in earlier versions: the pattern of the old key, and the new key."""


def told(error: BaseException) -> tuple[str, int]:
    """One sentence, and the exit code: 3 for a refusal, 2 for what a user can put right, 1 for a fault of the program.

    A fault's message is left out, since it may name people and files, and reports are public: class and place are enough to find it.
    """
    said = sentence(error)
    if said is not None:
        return said, EXIT_REFUSED if "vera.types.Refused" in _names(error) else EXIT_BAD_INPUT
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/vera/" in frame.filename.replace("\\", "/")]
    place = f" in vera/{own[-1].filename.replace(chr(92), '/').rpartition('/vera/')[2]}, line {own[-1].lineno}" if own else ""
    name = type(error).__name__
    return f"internal error ({name}{place}), please report it; VERA_DEBUG=1 shows the traceback, which may name your files", EXIT_FAULT


def sentence(error: BaseException) -> str | None:
    """The error as a sentence that says what the user can do; None for a fault of the program."""
    for name in _names(error):
        if name in SENTENCES:
            said = SENTENCES[name](error)
            return None if said is None else printable(" ".join(said.split()))
    return None


def _names(error: BaseException) -> list[str]:
    """Full names of an error's classes, the most special first."""
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]


def _of_instantiation(error: BaseException) -> str | None:
    """Sentence for a part of the configuration that could not be built from these values."""
    cause = error.__cause__
    lines = str(error).splitlines()
    key = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key:")), "")
    if cause is None or cause is error or lines[0].startswith("Error locating target"):
        return f"the configuration's '{key}': {lines[0].partition(', set env var')[0]}"
    said = sentence(cause)
    if said is None and isinstance(cause, TypeError | ValueError | LookupError | AttributeError | ImportError):
        return f"the configuration's '{key}' does not fit: {type(cause).__name__}, {cause}"
    return said


def _of_composition(error: BaseException) -> str:
    """A setting or a choice that is not there: the nearest that is."""
    first = str(error).splitlines()[0]
    found = re.match(r"Could not override '([^']*)'", first)
    parent: Any = getattr(error.__cause__, "parent_node", None)
    if found is None:
        return f"the configuration cannot be composed: {first}"
    for place, (pattern, now) in MOVED_SETTINGS.items():
        if (moved := re.match(pattern, found[1])) is not None:
            return f"there is no setting '{found[1]}': did you mean '{moved.expand(now)}'? {place}"
    wanted, wrong = found[1], str(getattr(error.__cause__, "full_key", None) or found[1]).rpartition(".")[2]
    near = difflib.get_close_matches(wrong, [str(key) for key in parent], n=1) if hasattr(parent, "keys") else []
    advice = f"did you mean '{wanted.replace(wrong, near[0], 1)}'?" if near else f"a new one is written with a plus, +{wanted}=VALUE"
    return f"there is no setting '{wanted}': {advice}"


def _of_choice(error: Any) -> str:
    from vera.cli.hydra import shipped

    wanted = str(error.missing_cfg_file)
    # Hydra does not list them for a choice of several, as in ``metrics=[a,b]``
    options = [str(option) for option in error.options or shipped(wanted.rpartition("/")[0])]
    near = difflib.get_close_matches(wanted.rpartition("/")[2], options, n=1)
    advice = f"did you mean {near[0]}? Choose from {', '.join(options)}" if near else f"choose from {', '.join(options)}"
    return f"there is no configuration '{wanted}': {advice}" if options else f"there is no configuration '{wanted}'"


def _of_missing(error: Any) -> str:
    """A value that must be given, under its own key and not under those that refer to it."""
    from omegaconf import OmegaConf

    key = str(error.full_key)
    root = OmegaConf.to_container(error.parent_node._get_root()) if error.parent_node is not None else {}
    own = min([key, *(other for other in _missing(root) if other.rpartition(".")[2] == key.rpartition(".")[2])], key=len)
    return f"{own} is not given: add {own}=VALUE"


def _missing(value: Any, at: str = "") -> list[str]:
    """Keys whose own value is OmegaConf's mark for a missing one."""
    if isinstance(value, dict):
        return [key for name, part in value.items() for key in _missing(part, f"{at}.{name}" if at else str(name))]
    return [at] if value == "???" else []


def _of_configuration(error: Any) -> str:
    key = getattr(error, "full_key", None)
    return f"the configuration{f' at {key!r}' if key else ''} cannot be read: {str(error).splitlines()[0]}"


def _of_system(error: Any) -> str | None:
    if error.errno is None:  # raised by a library, or by hand
        return None
    hint = HINTS.get(error.errno)
    file = f"'{error.filename}': " if error.filename is not None else ""
    return f"{file}{error.strerror}{f'; {hint}' if hint else ''}"


def _of_runtime(error: BaseException) -> str | None:
    """Torch has no class of its own for memory that the CPU cannot give."""
    return MEMORY if re.search(r"can't allocate memory|not enough memory|out of memory", str(error)) else None


def _of_opencv(error: BaseException) -> str | None:
    return MEMORY if "Insufficient memory" in str(error) else None


SENTENCES: dict[str, Callable[[Any], str | None]] = {
    "vera.types.VeraError": str,
    "hydra.errors.OverrideParseException": lambda error: (
        f"'{error.override}' is no override: write NAME=VALUE, a value with signs such as = , or spaces in quotes of its own"
    ),
    "hydra.errors.MissingConfigException": _of_choice,
    "hydra.errors.InstantiationException": _of_instantiation,
    "hydra.errors.ConfigCompositionException": _of_composition,
    "hydra.errors.HydraException": lambda error: f"the configuration cannot be used: {str(error).splitlines()[0]}",
    "omegaconf.errors.MissingMandatoryValue": _of_missing,
    "omegaconf.errors.InterpolationToMissingValueError": _of_missing,
    "omegaconf.errors.OmegaConfBaseException": _of_configuration,
    "yaml.error.YAMLError": lambda error: f"a YAML file cannot be read: {error}",
    "lightning_fabric.utilities.exceptions.MisconfigurationException": lambda error: (
        f"the trainer cannot be set up: {error}; choose another trainer=, or see `vera doctor`"
    ),
    "safetensors._safetensors_rust.SafetensorError": lambda error: (
        f"a file of tensors is damaged ({error}): fetch it again, or make it anew"
    ),
    "torch.OutOfMemoryError": lambda error: MEMORY,
    "cv2.error": _of_opencv,
    "builtins.MemoryError": lambda error: MEMORY,
    "builtins.OSError": _of_system,
    "builtins.RuntimeError": _of_runtime,
}
"""By class: the sentence, or None for one that is a fault of the program after all."""
