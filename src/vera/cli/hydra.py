"""Commands that Hydra configures: their help, read from the configuration files, and their runs."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vera.cli import EXIT_BAD_INPUT, EXIT_FAULT
from vera.files import storable, write_whole

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_PACKAGE = "vera.conf"
FULL_ERROR = "HYDRA_FULL_ERROR"
WIDTH = 110
OPTIONS = ("--help", "--multirun", "--cfg", "--info", "--hydra-help")
"""Options of Hydra's that are completed."""
OVERLAYS = "# @package _global_"
"""First line of files that change several groups at once: experiments, sweeps, comparisons. The next line says what they are for."""


def usage(config: str, about: str) -> str:
    """The text of ``--help``: every group with what can be chosen in it, and every setting of the primary config.

    Args:
        config: the primary config's name, and the command's.
        about: description of the command, with examples.

    """
    import yaml

    package = files(CONFIG_PACKAGE)
    primary: dict[str, Any] = yaml.safe_load((package / f"{config}.yaml").read_text(encoding="utf-8"))
    groups = {name: chosen for entry in primary["defaults"] if isinstance(entry, dict) for name, chosen in entry.items()}
    width, plain, overlays = max(map(len, groups)), list[str](), list[str]()
    for group, chosen in groups.items():
        texts = {name: (package / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines() for name in shipped(group)}
        if all(text[0] == OVERLAYS for text in texts.values()):
            known = max(map(len, texts))
            overlays += ["", f"{group}=NAME, a ready-made choice of several groups:"]
            overlays += [f"  {name:{known}}  {_first_sentence(text[1:])}" for name, text in texts.items()]
        else:
            texts.pop("base", None)  # what the others share, and no choice
            names = ", ".join(f"{name}*" if name == chosen or name in (chosen or ()) else name for name in texts)
            plain += textwrap.wrap(names, WIDTH, initial_indent=f"  {group:{width}}  ", subsequent_indent=" " * (width + 4))
    lines = [about.strip(), "", "Groups, chosen with GROUP=NAME, some with GROUP=[NAME,NAME]; * is the default:", *plain]
    lines += [*overlays, "", "Settings, changed with NAME=VALUE; a group's with GROUP.NAME=VALUE:"]
    lines += textwrap.wrap("  ".join(_settings(primary)), WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    more = f"vera {config} --cfg job [OVERRIDE]... shows the composed configuration, vera {config} --hydra-help Hydra's own options."
    return "\n".join([*lines, "", *textwrap.wrap(more, WIDTH)]) + "\n"


def _first_sentence(comment: list[str]) -> str:
    """The first sentence of a file's comment, without the command that may follow it."""
    lines = [line.lstrip("# ") for line in comment if line.startswith("#")]
    text = re.split(r"(?<=[.?])\s|: vera |:?\s+\.\.\. ", " ".join(lines), maxsplit=1)[0]
    return text.rstrip(".:")


def _settings(primary: dict[str, Any], within: str = "") -> Iterator[str]:
    """``NAME=VALUE`` of each plain value of a primary config; what interpolates other settings, and Hydra's own part, are left out."""
    for name, value in primary.items():
        if isinstance(value, dict) and name != "hydra":
            yield from _settings(value, f"{within}{name}.")
        elif not isinstance(value, dict) and name not in ("defaults", "_target_") and "${" not in str(value):
            shown = "null" if value is None else f"[{','.join(map(str, value))}]" if isinstance(value, list) else value
            yield f"{within}{name}={shown}"


def shipped(group: str) -> list[str]:
    """Names of the configurations of a group, sorted; none of a group that there is not."""
    folder = files(CONFIG_PACKAGE) / group
    names = [file.name for file in folder.iterdir()] if group and folder.is_dir() else []
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def complete_overrides(config: str, words: list[str]) -> list[str]:
    """Overrides and options that may stand at the end of a command line: groups, their choices, settings, present values, files.

    Args:
        config: the primary config's name, and the command's.
        words: overrides so far, the last of them unfinished or empty.

    """
    if words[-1].startswith("-"):
        return [option for option in OPTIONS if option.startswith(words[-1])]
    from hydra import initialize_config_module
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_module(CONFIG_PACKAGE, version_base="1.3"):
        composed = GlobalHydra.instance().hydra
        assert composed is not None
        found = BashCompletion(composed.config_loader)._query(config_name=config, line=" ".join(words))
    wanted = [word for word in found if words[-1].startswith("hydra") or not word.startswith("hydra")]
    return [f"{word}/" if os.path.isdir(word.rpartition("=")[2]) else word for word in wanted]


def _remove_unused(folder: Path, *, log: str) -> None:
    """Remove a run's folder, and empty ones around it in the working folder, if it holds nothing but what Hydra wrote before the run."""
    own = [folder / log, *(folder / ".hydra" / f"{name}.yaml" for name in ("config", "hydra", "overrides"))]
    if not {path for path in folder.rglob("*") if not path.is_dir()} <= {*own}:
        return
    for path in own:
        path.unlink(missing_ok=True)
    around = [path for path in folder.parents if path.is_relative_to(Path.cwd()) and path != Path.cwd()]
    with suppress(OSError):  # not empty
        for path in (*sorted(folder.rglob("*"), reverse=True), folder, *around):
            path.rmdir()


def run_hydra(config: str, overrides: list[str], *, start: Callable[[DictConfig], object], go_on: str, about: str) -> None:
    """Compose one of ``vera.conf``'s primary configs with these overrides and run what it describes; with ``--help`` describe it.

    Args:
        config: the primary config's name, and the command's.
        overrides: overrides in Hydra's syntax, such as ``data.root=DIR``.
        start: function that runs the composed configuration.
        go_on: the override that goes on after an interruption, with ``{folder}`` for the run's.
        about: text of help before the configuration groups: description and examples.

    A run that fails before it has written anything leaves no folder. In a multirun it leaves ``failure.txt``, and the others go on
    (:mod:`vera.training.runs.sweep` has the end).

    Raises:
        VeraError: the configuration groups are not installed.
        Exception: Hydra's, for a configuration that cannot be composed, and whatever ended the experiment (:mod:`vera.cli.errors` has
            the sentences); a multirun tells of its runs' errors itself.

    """
    if find_spec(CONFIG_PACKAGE) is None:
        from vera.types import VeraError

        raise VeraError(f"the configuration groups ({CONFIG_PACKAGE}) are not installed: run `pip install -e .` in the repository")
    if {"--help", "-h"} & set(overrides):
        sys.stdout.write(usage(config, about))
        return
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from vera.cli.errors import sentence
    from vera.training.runs.folder import FAILURE, INTERRUPTED
    from vera.types import VeraError

    @hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_PACKAGE}", config_name=config)
    def experiment(cfg: DictConfig) -> object:
        own = HydraConfig.get()
        folder = Path(own.runtime.output_dir) if own.mode == RunMode.MULTIRUN else None
        sys.argv = entered  # Lightning starts a run's other processes with it: they belong to this run, not to all of a multirun
        if folder:
            (folder / FAILURE).unlink(missing_ok=True)
            sys.argv = [entered[0], config, *own.overrides.task, f"run.folder='{folder}'"]
        try:
            return start(cfg)
        except KeyboardInterrupt:
            more = "" if cfg.run.get("resume") == "auto" else f" and {go_on.format(folder=cfg.run.folder)}"
            sys.stderr.write(f"vera: interrupted; go on with the same command{more}\n")
            # Here it ends the whole multirun; in a process of its own only this run, unless SLURM may start that again.
            if folder is None or os.getpid() == here or os.environ.get("SUBMITIT_EXECUTOR") == "slurm":
                raise
            told = INTERRUPTED
        except (Exception, SystemExit) as error:
            if isinstance(error, SystemExit) and (folder is None or error.code not in {EXIT_FAULT, EXIT_BAD_INPUT}):
                raise  # as it was meant; in a multirun also submitit, which has put the job back into its queue
            if folder is None:
                ended.append(error)  # Hydra would tell of it in words of its own
                if "LOCAL_RANK" not in os.environ:  # another process of a run leaves it to the first
                    _remove_unused(Path(own.runtime.output_dir), log=f"{own.job.name}.log")
                return None
            # Hydra turns any Exception into exit code 1 with a traceback, here or in a job on a cluster; SystemExit it leaves alone.
            told = sentence(error) or traceback.format_exc().strip()
            sys.stderr.write(f"vera: {told}\n")
        if folder:
            write_whole(folder / FAILURE, f"{storable(told)}\n".encode())
        return None

    here, ended = os.getpid(), list[BaseException]()
    entered, sys.argv = sys.argv, [f"vera {config}", *overrides]  # hydra.main reads nothing else
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"  # Hydra raises its errors, instead of showing them and leaving with 1
    try:
        experiment()
    except ValueError as error:  # the experiment's own errors do not come this way
        said = str(error).partition("\n")[0]
        if said.endswith("Got NoneType"):
            said = "a group is chosen by name, not null: leave one out with a tilde, for example ~logger"
        raise VeraError(f"the configuration cannot be composed: {said}") from error
    finally:
        os.environ.pop(FULL_ERROR) if before is None else os.environ.update({FULL_ERROR: before})
    if ended:
        raise ended[0]
