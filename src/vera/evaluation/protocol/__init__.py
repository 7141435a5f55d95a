"""The protocol: every anonymizer over every person, each item recorded, and the figures of what was written."""
