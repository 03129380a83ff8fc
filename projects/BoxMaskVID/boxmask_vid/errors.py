"""The error that bad input gets."""


class BadInput(ValueError):
    """What the user gave cannot be right.

    The message is one sentence that names the file, the record, the field and the value, and says
    what to do. Scripts print it without a traceback.
    """
