"""The evaluation protocol: run every method on every person, record each item, compute figures of the written files."""
