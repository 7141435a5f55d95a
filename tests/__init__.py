"""The tests are a package: an installed distribution that brings a package ``tests`` of its own must not hide ``tests.reference``."""
