"""Locate published weight files (at a given path, in torch's hub folder, or by download) and tell them from others by their digest."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

import torch

from vera.files import digest
from vera.types import VeraError


def published_file(url: str, path: str | Path | None, *, what: str) -> Path:
    """Locate a published weight file on this machine; it is downloaded to torch's hub folder once, its digest checked.

    Args:
        url: its address; the file's name carries the first digits of its SHA-256, as torch's hub wants it.
        path: a file that lies here already; None: the hub's folder, else the address.
        what: name of the network whose weights these are, for the message.

    Raises:
        VeraError: the path is no file, the download fails, or another file lies in the hub's folder; names file and address.

    """
    name = _name(url)
    if path is not None:
        if not Path(path).is_file():
            raise VeraError(f"no weights of {what} at '{path}': fetch {name} from {url} and give its path")
        return Path(path)
    kept = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not kept.is_file():
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(kept), hash_prefix=_digits(url), progress=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise VeraError(
                f"the weights of {what} are missing and cannot be downloaded ({error}): "
                f"fetch {name} from {url}, put it into '{kept.parent}' or give its path"
            ) from error
    if other := own_weights(url, kept):
        raise VeraError(f"'{kept}' is not the published {name} (its SHA-256 begins with {other}): remove it, and it is fetched again")
    return kept


def own_weights(url: str, file: str | Path) -> str:
    """Tell whether a file of weights is the published one: a distance is named after a published network only on its weights.

    Args:
        url: address of the published file, whose name ends with the first digits of its SHA-256.
        file: a file of weights on this machine.

    Returns:
        Empty for the published file; else the first eight digits of this file's SHA-256, which tell weights of one's own apart.

    Raises:
        VeraError: the file cannot be read.

    """
    found = digest(Path(file))
    if found is None:
        raise VeraError(f"'{file}' cannot be read: check its permissions")
    return "" if found.startswith(_digits(url)) else found[:8]


def _name(url: str) -> str:
    return Path(urlparse(url).path).name


def _digits(url: str) -> str:
    return _name(url).rpartition("-")[2].partition(".")[0]
