"""``python -m vera.cli``."""

from vera.cli import main

if __name__ == "__main__":
    main()
