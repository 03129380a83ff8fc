"""Process group of a training."""

from __future__ import annotations

import gc
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import torch
import torch.distributed as dist
from detectron2.engine import DEFAULT_TIMEOUT
from detectron2.utils import comm

from ..errors import InputError
from ..progress import said_while_waiting
from .place import Place
from .watch import own_address

ADDRESS_KEY = "boxmask_vid/address"


@contextmanager
def process_group(place: Place) -> Iterator[None]:
    """Join the process group of a training, and leave it at the end, whatever happens.

    Raises:
        InputError: if there are too few GPUs, or the processes do not find each other.
    """
    # its functions have the group that they meet as a default, and keep it: there is none yet
    from torch.distributed import nn  # noqa: F401

    _look_up(place)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        visible = torch.cuda.device_count()
        own = visible == 1 and place.starter == "srun"  # which may show each task its own
        if visible < place.local_size and not own:
            raise InputError(
                f"There are {place.local_size} processes and {visible} GPUs on this machine: "
                f"start {visible} processes."
            )
        torch.cuda.set_device(place.local_rank % visible)
    if place.world_size > place.local_size:
        _choose_interface(place.master)
    message = f"Waiting for {place.world_size - 1} other processes at {place.master}"
    try:
        with said_while_waiting(message, say=partial(print, file=sys.stderr)):
            meeting = {"init_method": place.url} if place.fresh_url else {"store": _store(place)}
            dist.init_process_group(
                backend="nccl" if on_gpu else "gloo",
                world_size=place.world_size,
                rank=place.rank,
                timeout=DEFAULT_TIMEOUT,
                **meeting,
            )
    except (RuntimeError, ValueError, TimeoutError) as error:
        raise _not_met(place, error) from error
    try:
        comm.create_local_process_group(place.local_size)
        comm.synchronize()
        yield
    except BaseException:
        dist.destroy_process_group()  # an operation with a process that is gone may never end
        raise
    _leave()


def _leave() -> None:
    """Leave the process group, and wait for the threads of gloo.

    They end with the last reference to the group. One that still drops the tensors of the last
    operation when the interpreter ends aborts the process ("terminate called without an active
    exception").
    """
    dist.destroy_process_group()
    comm._LOCAL_PROCESS_GROUP = None
    comm.create_local_process_group.cache_clear()
    comm._get_global_gloo_group.cache_clear()
    gc.collect()  # a model for several processes refers to itself


def _store(place: Place) -> dist.Store:
    """A store of its own for a process group that torchrun has started.

    The one that torchrun offers still has the addresses of processes that have failed, when it
    starts them again (PyTorch's issue 135712). It is used only to find that of rank 0.
    """
    board = dist.TCPStore(place.master, int(os.environ["MASTER_PORT"]), is_master=False)
    if place.rank == 0:
        host = own_address(place.master)
        store = dist.TCPStore(
            *(host, 0, place.world_size, True, DEFAULT_TIMEOUT), wait_for_workers=False
        )
        board.set(ADDRESS_KEY, f"{host}:{store.port}")
        return store
    deadline = time.monotonic() + DEFAULT_TIMEOUT.total_seconds()
    while time.monotonic() < deadline:
        host, _, port = board.get(ADDRESS_KEY).decode().rpartition(":")
        # that of an earlier rank 0, which has ended, is refused
        with suppress(OSError), socket.create_connection((host, int(port)), 5):
            return dist.TCPStore(host, int(port), place.world_size, False, DEFAULT_TIMEOUT)
        time.sleep(0.2)
    raise TimeoutError(f"rank 0 does not answer at {host}:{port}")


def _look_up(place: Place) -> None:
    """Raise InputError if the host to meet at is unknown, which PyTorch tries for half an hour."""
    try:
        socket.getaddrinfo(place.master, None)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"Process {place.rank} does not find the host '{place.master}', where the "
            f"{place.world_size} processes are to meet ({error}): correct MASTER_ADDR or "
            "--dist-url, or use an IP address."
        ) from error


def _not_met(place: Place, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0]
    return InputError(
        f"Process {place.rank} did not meet the other {place.world_size - 1} at {place.master} "
        f"({reason}): start all {place.world_size} processes with {place.starter}, and check "
        "address, port and firewall."
    )


def _choose_interface(master: str) -> None:
    """Let gloo use the network that leads to the master, not what the host's name stands for."""
    if sys.platform != "linux":
        return
    import fcntl

    address = own_address(master)
    for _, name in socket.if_nameindex():
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            request = struct.pack("256s", name.encode()[:15])
            answer = fcntl.ioctl(probe.fileno(), 0x8915, request)  # SIOCGIFADDR
            if socket.inet_ntoa(answer[20:24]) == address:
                os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
