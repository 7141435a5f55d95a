"""Anonymization of real photographs: preserve, replace, verify."""
