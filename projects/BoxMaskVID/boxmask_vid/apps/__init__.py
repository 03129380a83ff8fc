"""Applications: nothing below imports them, none imports the inside of another."""
