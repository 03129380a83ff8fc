"""Error analysis: pure functions over columns."""
