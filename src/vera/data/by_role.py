"""Read people from one folder of files ``PERSON_ROLE.jpg`` (before and after, neutral and smiling)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vera.data.people import Person, PhotographFile, Selection, existing, photographs_in, some
from vera.files import printable
from vera.types import VeraError


def by_role(root: str | Path, roles: Sequence[str]) -> Selection:
    """Select the people who have a photograph in every role; the Face Research Lab London Set has this layout.

    Who lacks one of them is left out, and counted (:attr:`Selection.left_out`).

    Args:
        root: folder that holds the photographs.
        roles: endings of a file's stem after the last ``_``, such as ``neutral`` and ``smiling``.

    Raises:
        VeraError: no folder, no role, two files of one person and role, or nobody has all roles.

    """
    if not roles:
        raise VeraError("no role given: name what follows the last _ of the files' names, as [neutral, smiling]")
    root = existing(root)
    found: dict[str, dict[str, Path]] = {}
    for file in photographs_in(root):
        person, _, role = file.stem.rpartition("_")
        if person and role in roles and found.setdefault(person, {}).setdefault(role, file) != file:
            raise VeraError(f"'{root}' holds two photographs {file.stem} (as {file.name} and {found[person][role].name}): remove one")
    whole = {person: files for person, files in found.items() if len(files) == len(set(roles))}
    people = [Person(printable(person), tuple(PhotographFile(role, files[role]) for role in roles)) for person, files in whole.items()]
    whole_set = some(people, root, " and ".join(f"PERSON_{role}.jpg" for role in roles))
    return Selection(whole_set, {f"no photograph in one of the roles {', '.join(roles)}": len(found) - len(whole)})
