"""The paper's pipeline from end to end, as a sequence of commands: stages 1, 2 and 3, the bundles between them, anonymization, evaluation.

python experiments/paper/study.py tiny --out DIR                    drawn faces, twenty minutes on one core
python experiments/paper/study.py ablations_tiny --out DIR          the paper's ablations, from the bundles of tiny in the same DIR
python experiments/paper/study.py paper512 --out DIR data=CelebAMask-HQ held_out=HELD_OUT people=identity_CelebA.txt
python experiments/paper/study.py tiny --out DIR --list             show the commands, run none

The same command goes on after an interruption. DIR/study.json records each finished step with the digests of the bundles that it took
and made, and its seconds: a step is passed over only where its command and these digests are the same, and nothing is overwritten where
they are not. figures.py beside this script prints a table of the results.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from vera import bundle
from vera.files import write_whole
from vera.types import VeraError

HERE = Path(__file__).parent
RECORD = "study.json"


def main(arguments: list[str] | None = None) -> int:
    """Run the study's steps, or show them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=sorted(file.stem for file in HERE.glob("*.yaml")))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the study's runs, bundles and results")
    parser.add_argument("--list", action="store_true", help="show the commands, run none")
    parser.add_argument("values", nargs="*", metavar="KEY=VALUE", help="of the study's values, such as data=DIR")
    chosen = parser.parse_intermixed_args(arguments)
    try:
        steps = read(chosen.study, chosen.values)
        for step in steps:
            if chosen.list:
                sys.stdout.write(f"{placed(step['command'], chosen.out)}\n")
            else:
                take(step, chosen.out)
    except VeraError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"the study stopped at: {shlex.join(error.cmd)}\nthe same command goes on from there\n")
        return 1
    return 0


def read(study: str, given: list[str]) -> list[dict[str, Any]]:
    """The steps of a study, with all values filled in but the places of the study and of this script.

    Args:
        study: name of the YAML file beside this script.
        given: ``KEY=VALUE`` in the place of the file's values.

    Raises:
        VeraError: a value is missing or unknown.

    """
    described = yaml.safe_load((HERE / f"{study}.yaml").read_text(encoding="utf-8"))
    values = dict(described["values"])
    for one in given:
        key, is_given, value = one.partition("=")
        if not is_given or key not in values:
            raise VeraError(f"'{one}': the study {study} has the values {', '.join(values) or 'none'}; give KEY=VALUE")
        values[key] = value
    if missing := [key for key, value in values.items() if value is None]:
        raise VeraError(f"the study {study} needs {' and '.join(f'{key}=...' for key in missing)}")
    values = {key: shlex.quote(str(value).format(**values)) for key, value in values.items()}
    values |= {"out": "{out}", "here": "{here}"}  # filled in last: a study may be moved, and called from elsewhere
    empty: dict[str, Any] = {"takes": [], "makes": []}
    return [empty | step | {"command": " ".join(step["command"].split()).format(**values)} for step in described["steps"]]


def take(step: dict[str, Any], out: Path) -> None:
    """Run a step, unless it is recorded with this command and with bundles that are still the same.

    Raises:
        VeraError: it was made by another command or from other bundles, or one of its bundles is missing or damaged.
        subprocess.CalledProcessError: the command failed.

    """
    name, path = step["name"], out / RECORD
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    wanted = {"command": step["command"], "takes": digests(out, step["takes"])}
    if name in record:
        made = digests(out, step["makes"])
        if {key: value for key, value in record[name].items() if key != "seconds"} != wanted | {"makes": made}:
            raise VeraError(f"the step '{name}' of '{out}' was made by another command or from other bundles: choose another --out")
        sys.stdout.write(f"{name}: done{''.join(f', {key} {value[:12]}' for key, value in made.items())}\n")
        return
    command = placed(step["command"], out)
    sys.stdout.write(f"{name}: {command}\n")
    sys.stdout.flush()
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    run(shlex.split(command))
    record[name] = wanted | {"makes": digests(out, step["makes"]), "seconds": round(time.monotonic() - started, 1)}
    write_whole(path, (json.dumps(record, indent=2) + "\n").encode())


def placed(command: str, out: Path) -> str:
    """A step's command as one would type it."""
    return command.replace("{out}", shlex.quote(str(out))).replace("{here}", shlex.quote(str(HERE)))


def digests(out: Path, names: list[str]) -> dict[str, str]:
    """Digests of bundles in the study's folder, checked against their files."""
    return {name: str(bundle.read(out / name)["digest"]) for name in names}


def run(words: list[str]) -> None:
    """Run a command: ``vera``, or ``python`` with a script, of this interpreter's installation."""
    program = [sys.executable, "-m", "vera.cli"] if words[0] == "vera" else [sys.executable]
    subprocess.run([*program, *words[1:]], check=True)


if __name__ == "__main__":
    sys.exit(main())
