"""People with photographs, for the evaluation: the layouts of public data sets, and plain folders.

Every reader yields the same :class:`Person`, in an order that depends on names alone. Nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vera.faces.formats import SUFFIXES
from vera.files import printable
from vera.types import Photograph, VeraError
from vera.untrusted import read_text

Found = TypeVar("Found")


@dataclass(frozen=True)
class PhotographFile:
    """One photograph of a person, on disk.

    Attributes:
        role: role of the photograph (before, after, ...); a data set's own name for it otherwise.
        path: file of the photograph.
        mask: file of a drawn region to preserve, if there is one.
        view: side from which it was taken; empty where that is not known.

    """

    role: str
    path: Path
    mask: Path | None = None
    view: str = ""

    def read(self) -> Photograph:
        """Decode the photograph.

        Raises:
            VeraError: for a file that cannot be read.

        """
        from vera.faces.photograph import read_photograph  # with the libraries that decode: a list of files needs none of them

        return read_photograph(self.path)


@dataclass(frozen=True)
class Person:
    """One person's photographs.

    Attributes:
        id: unique in its data set.
        photographs: one photograph or more.
        groups: known groups of the person, such as ``{"sex": "f"}``; empty where nothing is known.

    """

    id: str
    photographs: tuple[PhotographFile, ...]
    groups: Mapping[str, str] = field(default_factory=dict)


class Selection(list[Person]):
    """People of a folder that holds more.

    Args:
        people: the people that were selected.
        left_out: number of people left out, by reason, for the record.

    """

    def __init__(self, people: Iterable[Person], left_out: Mapping[str, int]) -> None:
        super().__init__(people)
        self.left_out = {why: count for why, count in left_out.items() if count}

    def first(self, count: int | None) -> Selection:
        """The first ``count`` of them (None: all); who comes after is not left out, but not asked for."""
        return Selection(self[:count], self.left_out)


def folder(root: str | Path) -> list[Person]:
    """A folder of people: either each file is another person, or each folder ``PERSON/`` is one with all files in it.

    Raises:
        VeraError: no folder, files and folders of photographs side by side, or no photograph at all.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from vera.data.people import folder
        >>> from vera.faces.photograph import write_png
        >>> root = Path(tempfile.mkdtemp())
        >>> write_png(root / "anna.png", np.zeros((8, 8, 3), dtype=np.uint8))
        >>> [person.id for person in folder(root)]
        ['anna']

    """
    root = existing(root)
    loose, folders = photographs_in(root), {f.name: photographs_in(f) for f in sorted(root.iterdir()) if f.is_dir()}
    folders = {name: files for name, files in folders.items() if files}
    if loose and folders:
        raise VeraError(f"'{root}' holds photographs and folders of photographs: use one photograph or one folder for each person")
    if len({file.stem for file in loose}) < len(loose):
        raise VeraError(f"'{root}' holds photographs of the same name (as a.jpg and a.png): names are people here, rename one")
    people = [Person(printable(file.stem), (PhotographFile("", file),)) for file in loose]
    people += [Person(printable(name), tuple(PhotographFile(file.stem, file) for file in files)) for name, files in folders.items()]
    return some(people, root, "photographs, or folders of photographs")


def lfw(root: str | Path) -> list[Person]:
    """*Labeled Faces in the Wild* (Huang et al., 2007): ``NAME/NAME_0001.jpg``; the role is the number.

    Raises:
        VeraError: no folder, or none in this layout.

    """
    root, people = existing(root), []
    for home in (f for f in sorted(root.iterdir()) if f.is_dir()):
        files = [file for file in photographs_in(home) if is_numbered(file, home.name)]
        if files:
            people.append(Person(printable(home.name), tuple(PhotographFile(file.stem[-4:], file) for file in files)))
    return some(people, root, "NAME/NAME_0001.jpg")


def ffhq(root: str | Path) -> list[Person]:
    """*Flickr-Faces-HQ* (Karras et al., 2019): ``00000/00000.png`` or ``00000.png``; each image counts as another person.

    Raises:
        VeraError: no folder, or none in this layout.

    """
    root = existing(root)
    files = sorted({*root.glob("[0-9]*.png"), *root.glob("[0-9]*/[0-9]*.png")}, key=lambda file: file.stem)
    people = [Person(file.stem, (PhotographFile("", file),)) for file in files if len(file.stem) == 5 and file.stem.isdecimal()]
    return some(people, root, "00000/00000.png or 00000.png")


def celeba_hq(root: str | Path, identities: str | Path | None = None, mapping: str | Path | None = None) -> list[Person]:
    """*CelebA-HQ* (Karras et al., 2018): ``N.jpg`` or ``N.png``; the role is N.

    Args:
        root: folder of the images (CelebAMask-HQ's ``CelebA-HQ-img``).
        identities: lines ``FILE IDENTITY``, as CelebA's ``identity_CelebA.txt``. Images that it does not name are left out.
            Without it each image counts as another person.
        mapping: CelebAMask-HQ's ``CelebA-HQ-to-CelebA-mapping.txt`` (columns ``idx orig_idx orig_file``), where the identities
            name CelebA's files and not those of CelebA-HQ.

    Raises:
        VeraError: a file is missing or has another form, or no image is in the layout or among the identities.

    """
    root = existing(root)
    files = {f.name: f for f in photographs_in(root) if f.stem.isdecimal()}
    files = dict(sorted(files.items(), key=lambda item: int(Path(item[0]).stem)))
    some(list(files), root, "N.jpg or N.png")
    if identities is None:
        return [Person(path.stem, (PhotographFile(path.stem, path),)) for path in files.values()]
    known = {row[0]: row[1] for row in table(identities, 2)}
    original = {row[0]: row[2] for row in table(mapping, 3)} if mapping else {}
    found: dict[str, list[PhotographFile]] = {}
    for name, path in files.items():
        identity = known.get(original.get(path.stem, "") if mapping else name)
        if identity is not None:
            found.setdefault(identity, []).append(PhotographFile(path.stem, path))
    if not found:
        raise VeraError(f"'{identities}' names no image of '{root}': if it names CelebA's files, give CelebA-HQ-to-CelebA-mapping.txt too")
    return [Person(identity, tuple(photographs)) for identity, photographs in found.items()]


def existing(root: str | Path) -> Path:
    """The folder, if it is one.

    Raises:
        VeraError: it is not.

    """
    if not Path(root).is_dir():
        raise VeraError(f"no folder '{root}': give the folder that holds the photographs")
    return Path(root)


def photographs_in(home: Path) -> list[Path]:
    """The photographs directly in a folder, by name; hidden files are none."""
    return sorted(f for f in home.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file() and not f.name.startswith("."))


def is_numbered(file: Path, name: str) -> bool:
    """Whether a file is called ``NAME_0001.jpg``."""
    number = file.stem.removeprefix(f"{name}_")
    return len(number) == 4 and number.isdecimal()


def table(file: str | Path, columns: int) -> list[list[str]]:
    """Lines of ``columns`` words each; a heading does no harm, since it names no image.

    Raises:
        VeraError: the file can't be read, or a line has another number of words.

    """
    rows = lines_of_words(file)
    for number, row in rows:
        if len(row) != columns:
            raise VeraError(f"'{file}', line {number}: {len(row)} words where {columns} are needed")
    return [row for _, row in rows]


def lines_of_words(file: str | Path) -> list[tuple[int, list[str]]]:
    """Number and words of each line that is not empty.

    Raises:
        VeraError: the file can't be read.

    """
    lines = read_text(file, what=f"'{file}'").splitlines()
    return [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]


def some(found: list[Found], root: Path, layout: str) -> list[Found]:
    """Require that at least one thing was found.

    Raises:
        VeraError: nothing was.

    """
    if not found:
        raise VeraError(f"'{root}' holds no photograph in the layout {layout}: check the path")
    return found
