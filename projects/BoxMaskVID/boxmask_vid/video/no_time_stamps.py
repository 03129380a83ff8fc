"""Error for videos whose frames cannot be found by their numbers."""

from ..errors import InputError


class NoTimeStamps(InputError):
    """The frames of a video have no time stamps, as in a raw H.264 stream."""
