"""Time, memory and arithmetic of models, readers, loaders and scorers."""
