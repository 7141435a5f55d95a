"""Hydra's configuration groups, a package (``vera.conf``) so that wheels carry them."""
