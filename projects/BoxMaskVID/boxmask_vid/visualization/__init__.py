"""Pictures for people."""

from .contact_sheet import write_contact_sheet
from .training_plot import plot_training
from .training_samples import draw_training_samples

__all__ = ["draw_training_samples", "plot_training", "write_contact_sheet"]
