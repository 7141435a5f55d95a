"""The report of finished evaluations: table, notes, figures, groups, and what is published."""
