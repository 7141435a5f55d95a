"""Bundles that are shipped with the package; ``vera.bundle.default_bundle()`` finds them."""
