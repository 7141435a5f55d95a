"""How fast, and in how much memory: JSON lines, and ratios taken in one run (README.md)."""
