"""The networks and objectives that a run starts with."""
