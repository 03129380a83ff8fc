"""Pictures for people."""

from .contact_sheet import write_contact_sheet
from .training_plot import plot_training

__all__ = ["plot_training", "write_contact_sheet"]
