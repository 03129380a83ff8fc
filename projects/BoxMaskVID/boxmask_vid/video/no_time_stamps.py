"""The error of videos whose frames cannot be found by their numbers."""

from ..errors import BadInput


class NoTimeStamps(BadInput):
    """The frames of a video have no time stamps, as in a raw H.264 stream."""
