"""Objectives: which networks a stage trains, in which phases, and by which losses."""
