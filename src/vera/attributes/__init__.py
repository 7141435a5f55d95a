"""High-level attributes (pose, expression, illumination, age): what reads them, and how a generator learns them."""
