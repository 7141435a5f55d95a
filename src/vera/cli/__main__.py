"""``python -m vera.cli``."""

from vera.cli import main

main()
