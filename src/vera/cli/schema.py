"""The published form of ``audit.json`` (JSON Schema 2020-12, ``assets/audit/schema.json``), and what in an audit does not follow it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from vera.cli.chain import RECORDS
from vera.untrusted import read_json, shown

SCHEMA = Path(__file__).parents[1] / "assets" / "audit" / "schema.json"
MOST = 5
"""DECISION: departures that are told; one edit may make many."""


@cache
def validator() -> Any:
    """The validator of the current version."""
    return jsonschema.Draft202012Validator(read_json(SCHEMA, what="VerA's own schema of audits"))


def departures(audit: dict[str, Any]) -> list[str]:
    """List where an audit does not have its form, a sentence each; of version 1, the parts that both versions have are looked at.

    Args:
        audit: the audit as it was read.

    """
    known = validator()
    if "audit_version" not in audit:
        properties = {name: known.schema["properties"][name] for name in RECORDS} | {"settings": {"$ref": "#/$defs/settings"}}
        known = known.evolve(schema={**known.schema, "properties": properties, "required": ["people"]})
    errors = list(known.iter_errors(audit))
    told = [f"the audit does not have its form at {error.json_path}: {shown(error.message)}" for error in errors[:MOST]]
    return told + ([f"and at {len(errors) - MOST} further places"] if errors[MOST:] else [])
