"""What kinds of errors a detector makes, and where: pure functions over columns."""
