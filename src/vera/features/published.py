"""Locate published weight files: at a given path, in torch's hub folder, or by download."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

import torch

from vera.types import VeraError


def published_file(url: str, path: str | Path | None, *, what: str) -> Path:
    """Locate a published weight file on this machine; it is downloaded to torch's hub folder once, its digest checked.

    Args:
        url: its address; the file's name carries the first digits of its SHA-256, as torch's hub wants it.
        path: a file that lies here already; None: the hub's folder, else the address.
        what: name of the network whose weights these are, for the message.

    Raises:
        VeraError: the path is no file, or the download fails; names file and address.

    """
    name = Path(urlparse(url).path).name
    if path is not None:
        if not Path(path).is_file():
            raise VeraError(f"no weights of {what} at '{path}': fetch {name} from {url} and give its path")
        return Path(path)
    kept = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not kept.is_file():
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(kept), hash_prefix=name.rpartition("-")[2].partition(".")[0], progress=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise VeraError(
                f"the weights of {what} are missing and cannot be downloaded ({error}): "
                f"fetch {name} from {url}, put it into '{kept.parent}' or give its path"
            ) from error
    return kept
