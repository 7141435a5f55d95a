"""Seeds that are functions of what they are for: no draw depends on another one, on the order of calls or on the process."""

from __future__ import annotations

import hashlib


def key(seed: int, stream: str, index: int) -> int:
    """A 64-bit seed for one image of a stream.

    Args:
        seed: the run's seed.
        stream: what the numbers are for, for example ``"order"``; another stream gives independent numbers.
        index: global image index, or any whole number.

    """
    return int.from_bytes(hashlib.blake2b(f"{seed}/{stream}/{index}".encode(), digest_size=8).digest(), "little")


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from SHA-256 over the parts; no two lists of parts collide by their lengths."""
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
