"""Processes of a training that notice the end of one another.

Each process keeps a TCP connection to a hub in the process of rank 0. The system closes the
connections of a process that dies, however it dies, and TCP's keepalive those of a machine that is
gone, so that the others need not wait for the timeout of a collective operation.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from detectron2.utils import comm

from ..errors import InputError

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 30
END_SECONDS = 10  # for a process to end by itself, after another one has
# seconds (of the last one: milliseconds) and probes; 30 s to notice that a machine is gone
KEEPALIVE = {
    **{"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4},
    "TCP_USER_TIMEOUT": 30_000,  # for what was sent and is not confirmed
}


class ProcessEnded(InputError):
    """Error of a process that ends because another one has ended."""


class Watch:
    """Connection of a process to those that it works with.

    Made by all processes together, after they have joined their process group.
    """

    def __init__(self, master: str, *, on_stop: Callable[[], None]) -> None:
        """
        Args:
            master: host at which the processes met; "127.0.0.1" if all are on this machine.
            on_stop: called, in a thread, when another process was told to stop.
        """
        self.rank, self._on_stop = comm.get_rank(), on_stop
        self._local_rank = comm.get_local_rank()
        self._closing, self._ended = False, threading.Event()
        self._answer: dict | None = None
        self._answered = threading.Event()
        self._gone: dict | None = None
        local = comm.get_local_size() == comm.get_world_size()
        self._hub = Hub("127.0.0.1" if local else "") if self.rank == 0 else None
        offer = self._hub and (own_address(master), self._hub.port, self._hub.token)
        route, port, token = comm.all_gather(offer)[0]
        hosts = ("127.0.0.1",) if local or self._hub else (route, master)
        self._socket = _connect(hosts, port)
        if self._socket is None:
            logger.warning(
                f"Process {self.rank} does not reach rank 0 at {route}, port {port} (a firewall?):"
                " that another process has died will be noticed late."
            )
            return
        place = {"host": socket.gethostname(), "machine": self.rank - self._local_rank}
        self._send({"token": token, "rank": self.rank, "pid": os.getpid(), **place})
        # a loader worker that outlives this process would keep the connection open
        os.register_at_fork(after_in_child=partial(_close_copy, self._socket))
        threading.Thread(target=self._listen, daemon=True).start()

    def ask_to_stop(self) -> None:
        """Ask all processes to stop."""
        self._send({"event": "stop"})

    def finish(self) -> None:
        """Say that this process has done its work; rank 0 waits until all have."""
        self._closing = True
        self._send({"event": "done"})
        if self._hub:
            self._hub.wait()

    def fail(self, sentence: str) -> bool:
        """Tell the others why this process ends; return whether it is the first with this reason.

        The first shows the sentence to the user.
        """
        self._closing = True
        self._send({"event": "failed", "sentence": sentence})
        if self._socket is not None:
            self._answered.wait(3)
        return True if self._answer is None else self._answer["first"]

    def linger(self) -> None:
        """Keep rank 0's hub until the others have been told, a few seconds at most."""
        if self._hub:
            self._hub.wait(END_SECONDS)

    def gone(self, seconds: float) -> tuple[str, bool] | None:
        """Wait for the news that another process has ended.

        Returns:
            a sentence about it, and whether this process shows it; None if there is no such news.
        """
        if self._socket is None or not self._ended.wait(seconds):
            return None
        assert self._gone is not None
        return self._gone["sentence"], self._gone["speaker"] == self.rank

    def close(self) -> None:
        """Close the connection."""
        self._closing = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _send(self, message: dict) -> None:
        if self._socket is not None:
            with suppress(OSError):  # the listening thread notices
                self._socket.sendall(_line(message))

    def _listen(self) -> None:
        assert self._socket is not None
        with suppress(OSError, ValueError), self._socket.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message["event"] == "stop":
                    self._on_stop()
                elif message["event"] == "answer":
                    self._answer = message
                    self._answered.set()
                elif not self._closing:
                    return self._end(message)
        if not self._closing:
            # rank 0 has died; one process of each machine says so
            first = 1 if self.rank == self._local_rank else 0
            speaker = self.rank if self._local_rank == first else None
            self._end({"sentence": _death(0, "on the first machine"), "speaker": speaker})
        self._answered.set()

    def _end(self, news: dict) -> None:
        """Let the main thread end by itself, then end the process."""
        self._gone = news
        self._ended.set()
        time.sleep(END_SECONDS)
        if self._closing:
            return  # it is ending
        if news["speaker"] == self.rank:
            print(f"error: {news['sentence']}", file=sys.stderr, flush=True)
        os._exit(1)


class Hub:
    """Server in the process of rank 0 that tells all processes about the end of one."""

    def __init__(self, host: str) -> None:
        self.token = secrets.token_hex(16)
        self._server = socket.create_server((host, 0), backlog=128)
        self.port: int = self._server.getsockname()[1]
        self._lock = threading.RLock()
        self._members: dict[int, tuple[socket.socket, dict]] = {}  # of those that have not ended
        self._said: set[str] = set()
        self._empty = threading.Condition(self._lock)
        os.register_at_fork(after_in_child=self._close_copies)
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until all processes that have connected have ended."""
        with self._empty:
            self._empty.wait_for(lambda: not self._members, seconds)

    def _close_copies(self) -> None:
        _close_copy(self._server)
        for member, _ in self._members.values():
            _close_copy(member)

    def _accept(self) -> None:
        while True:
            try:
                member, _ = self._server.accept()
            except OSError:
                return
            keep_alive(member)
            threading.Thread(target=self._serve, args=(member,), daemon=True).start()

    def _serve(self, member: socket.socket) -> None:
        who: dict | None = None
        with suppress(OSError, ValueError), member.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if who is None:
                    if message.get("token") != self.token:
                        break
                    who = message
                    with self._lock:
                        self._members[who["rank"]] = member, who
                else:
                    self._receive(who, message)
        if who is not None:
            self._leave(who, _death(who["rank"], f"on {who['host']}, PID {who['pid']}"))

    def _receive(self, who: dict, message: dict) -> None:
        if message["event"] == "stop":
            self._tell_all(message)
        elif message["event"] == "done":
            self._leave(who, None)
        elif message["event"] == "failed":
            with self._lock:
                first = message["sentence"] not in self._said
                self._said.add(message["sentence"])
                member = self._members[who["rank"]][0]
            with suppress(OSError):
                member.sendall(_line({"event": "answer", "first": first}))
            self._leave(who, message["sentence"], spoken=True)

    def _leave(self, who: dict, sentence: str | None, *, spoken: bool = False) -> None:
        """Remove a process, and tell the others unless it has done its work."""
        with self._lock:
            if self._members.pop(who["rank"], None) is None:
                return
            if sentence is not None:
                first: dict[int, int] = {}  # the lowest rank of each machine
                for rank, (_, other) in sorted(self._members.items()):
                    first.setdefault(other["machine"], rank)
                for rank, (_, other) in self._members.items():
                    speaks = not spoken and first[other["machine"]] == rank
                    news = {"event": "gone", "sentence": sentence}
                    self._tell(rank, {**news, "speaker": rank if speaks else None})
            self._empty.notify_all()

    def _tell_all(self, message: dict) -> None:
        with self._lock:
            for rank in self._members:
                self._tell(rank, message)

    def _tell(self, rank: int, message: dict) -> None:
        with suppress(OSError):
            self._members[rank][0].sendall(_line(message))


def own_address(master: str) -> str:
    """Address of this machine on the way to ``master``; what other machines reach it under."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((master, 9))  # UDP: sends nothing
        return probe.getsockname()[0]
    return master


def keep_alive(connection: socket.socket) -> None:
    """Let the system break a connection half a minute after the other machine is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # the names are those of Linux
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _connect(hosts: tuple[str, ...], port: int) -> socket.socket | None:
    for host in hosts:
        with suppress(OSError):
            connection = socket.create_connection((host, port), CONNECT_SECONDS)
            connection.settimeout(None)
            keep_alive(connection)
            return connection
    return None


def _close_copy(connection: socket.socket) -> None:
    """Close the connection in a forked process; its descriptor stays valid and leads nowhere."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, connection.fileno())
    os.close(null)


def _line(message: dict) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _death(rank: int, place: str) -> str:
    return (
        f"Process {rank} of {comm.get_world_size()} ({place}) has died, killed by hand or by the "
        "system (no memory left?), or its machine is gone: continue from the newest checkpoint "
        "with --resume."
    )
