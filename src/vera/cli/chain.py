"""The audit's hash chain: an edited, removed, added or reordered record no longer fits it.

The chain stands beside the records, under ``chain``, with an entry for each record in the order of time: those of ``earlier``, then
those of ``people``. An entry holds the SHA-256 of its record and a link, the SHA-256 of the link before it and this digest. The link
before the first is ``opening``, the digest of all that the audit says about the whole call. The last link is the ``head``.

There is no key. Who can write the audit can also compute the chain anew, so it shows accidents and careless edits, not forgery; unless
the head is kept elsewhere (in the patient's record, on paper): then no record can change without another head.

Digests are of the JSON text that Python's ``json.dumps`` makes with sorted keys, without spaces, in ASCII: they do not depend on how the
file is laid out. RFC 8785 would be the standard, but it forbids whole numbers above 2^53, and seeds have 63 bits.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

RECORDS = ("earlier", "people")
"""The audit's lists of records, in the order of time."""
APART = (*RECORDS, "chain")
"""What is no part of the opening."""


def digest_of(value: Any) -> str:
    """SHA-256 of a value of JSON's types, whatever the order of its keys and its layout in a file."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def chain_of(opening: Mapping[str, Any], digests: Sequence[str]) -> dict[str, Any]:
    """Link records to each other.

    Args:
        opening: the audit without its records and chain, of JSON's types.
        digests: :func:`digest_of` each record, in the order of time.

    Returns:
        ``opening``, ``head`` and ``records``: a digest and a link for each record.

    """
    first = link = digest_of(dict(opening))
    records = []
    for known in digests:
        link = _linked(link, known)
        records.append({"digest": known, "link": link})
    return {"opening": first, "records": records, "head": link}


def broken_links(audit: Mapping[str, Any]) -> list[str]:
    """List what does not fit an audit's chain, a sentence each; empty for a whole chain, and for an audit of version 1, which has none.

    Args:
        audit: the audit as it was read; its chain has the shape of the schema.

    """
    if "chain" not in audit:
        return ["the chain was removed"] if "audit_version" in audit else []
    chain, found = audit["chain"], []
    if digest_of({name: value for name, value in audit.items() if name not in APART}) != chain["opening"]:
        found.append("what the audit says about the whole call was edited")
    records = [record for name in RECORDS for record in audit.get(name, ())]
    known, there = [entry["digest"] for entry in chain["records"]], [digest_of(record) for record in records]
    link = chain["opening"]
    for number, entry in enumerate(chain["records"], 1):
        link = _linked(link, entry["digest"])
        if link != entry["link"]:
            found.append(f"entry {number} of the chain does not follow from the one before it: an entry was edited, removed or reordered")
            link = entry["link"]
    if link != chain["head"]:
        found.append("the last entry of the chain is not its head: an entry was removed")
    return found + _changed(records, known, there)


def _changed(records: Sequence[Mapping[str, Any]], known: Sequence[str], there: Sequence[str]) -> list[str]:
    """Sentences about records that are not those of the chain."""
    strange, lost = Counter(there) - Counter(known), Counter(known) - Counter(there)
    if not strange and not lost:
        moved = [named(number, record) for number, record in enumerate(records) if there[number] != known[number]]
        return [f"records were reordered: {', '.join(moved)}"] if moved else []
    found = [f"{named(number, record)} was edited, or added" for number, record in enumerate(records) if there[number] in strange]
    if lost.total() > strange.total():
        found.append(f"records were removed: the chain has {len(known)}, the audit {len(there)}")
    return found


def named(number: int, record: Mapping[str, Any]) -> str:
    """Name a record for messages: its number, from 1, and its person."""
    return f"record {number + 1} ('{record.get('person', '')}')"


def _linked(link: str, digest: str) -> str:
    return hashlib.sha256(bytes.fromhex(link) + bytes.fromhex(digest)).hexdigest()
