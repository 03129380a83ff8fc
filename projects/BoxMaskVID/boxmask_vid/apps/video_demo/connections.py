"""Connections of the page: slow clients are given up, so that they cannot lock out others."""

from __future__ import annotations

import socket
import time

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

MOST_OF_A_CLIENT = 8  # connections of an address; browsers open six
YOUNG = 1.0  # seconds in which a connection is rather not closed for a newer one
PATIENCE = 60.0  # seconds that a request, or a response, may take besides its bytes
SLOWEST = 16 * 1024  # bytes per second of a request or a response


class BoundedChannel(HTTPChannel):
    """A connection that ends when a whole request or response takes too long.

    waitress only knows a time-out between two bytes. Where a client opens more than
    ``MOST_OF_A_CLIENT`` connections, the least useful of them is closed for the new one.
    """

    def __init__(
        self,
        server: BaseWSGIServer,
        sock: socket.socket,
        addr: tuple,
        adj: Adjustments,
        map: dict | None = None,
    ) -> None:
        self._started = time.monotonic()  # of what is received or sent now, or of the wait for it
        self._bytes = 0
        super().__init__(server, sock, addr, adj, map=map)
        others = [
            channel
            for channel in server.active_channels.values()
            if channel.addr[0] == addr[0] and channel is not self and not channel.will_close
        ]
        if len(others) >= MOST_OF_A_CLIENT:
            max(others, key=BoundedChannel.uselessness).will_close = True

    def uselessness(self) -> tuple[int, float]:
        """What is closed first: no request or half a header, then the slowest in a body."""
        waited, overdue = time.monotonic() - self._started, self._overdue()
        if self.requests and not self.total_outbufs_len:
            return 0, waited  # it waits for us
        if self.total_outbufs_len or (self.request and self.request.headers_finished):
            return 2 if overdue > YOUNG else 0, overdue
        return 3 if waited > YOUNG else 1, waited

    def readable(self) -> bool:
        """Whether to read more; called at least once a second."""
        is_busy = self.total_outbufs_len or (self.request is not None and not self.requests)
        if is_busy and self._overdue() > PATIENCE:
            self.will_close = True
        return super().readable()

    def received(self, data: bytes) -> bool:
        if self.request is None and self._bytes:  # not the first one
            self._restart()
        self._bytes += len(data)
        return super().received(data)

    def write_soon(self, data: bytes) -> int:
        if not self.total_outbufs_len:
            self._restart()
        return super().write_soon(data)

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent = super().send(data, do_close=do_close)
        self._bytes += sent
        return sent

    def _restart(self) -> None:
        self._started, self._bytes = time.monotonic(), 0

    def _overdue(self) -> float:
        """Seconds besides those that the bytes may take."""
        return time.monotonic() - self._started - self._bytes / SLOWEST
