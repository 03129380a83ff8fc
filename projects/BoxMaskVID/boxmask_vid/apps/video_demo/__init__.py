"""Annotated videos, result files and tracks, from the command line and in a browser."""
