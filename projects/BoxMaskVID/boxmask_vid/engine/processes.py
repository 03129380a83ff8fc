"""Processes of a training: started by Detectron2's options, by torchrun or by SLURM's srun."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from urllib.parse import urlsplit

import torch
import torch.distributed as dist
from detectron2.engine import DEFAULT_TIMEOUT
from detectron2.utils import comm
from torch.multiprocessing import start_processes

from ..errors import InputError
from ..progress import said_while_waiting
from .interrupts import stop_request
from .setup import errors_in_one_line
from .watch import END_SECONDS, ProcessEnded, Watch, own_address

logger = logging.getLogger(__name__)

INTERRUPTED = 130  # exit code, as a shell reports Ctrl-C


@dataclass(frozen=True)
class Place:
    """The place of a process among those of a training."""

    rank: int
    world_size: int
    local_rank: int
    local_size: int  # processes of this machine
    url: str  # where they meet, "tcp://HOST:PORT", or "env://" for torchrun
    starter: str  # what started the process, for messages
    restarted: bool = False  # by torchrun, after a failure

    @property
    def master(self) -> str:
        """Host at which the processes meet."""
        if self.url == "env://":
            return os.environ["MASTER_ADDR"]
        return urlsplit(self.url).hostname or "127.0.0.1"


def run_in_processes(
    function: Callable[..., object],
    args: tuple,
    *,
    num_gpus: int = 1,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str = "auto",
) -> None:
    """Run a function in all processes of a training.

    Under torchrun, or in one of several tasks of ``srun``, this process is one of them; the options
    do not count then. Else ``num_gpus`` processes are started here, as by Detectron2's ``launch``.

    Args:
        function: at module level, so that other processes can import it.
        args: its arguments.
        num_gpus: processes on each machine; without GPUs they run on the CPU.
        num_machines, machine_rank: number of machines, and which one this is.
        dist_url: where the processes meet, "tcp://HOST:PORT"; "auto" on a single machine.

    Raises:
        InputError: if the processes do not find each other, or one of them dies.
        SystemExit: with the exit code of a process that has failed and said why.
        KeyboardInterrupt: if they were told to stop.
    """
    place = place_in(os.environ, started_here=num_gpus)
    if place is not None:
        if place.world_size == 1:
            function(*args)
        else:
            _join(place, function, args)
        return
    world_size = num_gpus * num_machines
    if world_size == 1:
        function(*args)
        return
    if dist_url == "auto":
        if num_machines > 1:
            raise InputError("--dist-url auto is for one machine: write tcp://HOST:PORT.")
        dist_url = f"tcp://127.0.0.1:{_free_port()}"
    context = start_processes(
        _start,
        (function, args, world_size, num_gpus, machine_rank, dist_url),
        nprocs=num_gpus,
        join=False,
    )
    _supervise(context.processes, machine_rank * num_gpus, world_size)


def restarted_by_torchrun() -> bool:
    """Tell whether torchrun has started a process of this training again after a failure."""
    place = place_in(os.environ)
    return any(comm.all_gather(place is not None and place.restarted))


def place_in(environment: Mapping[str, str], *, started_here: int = 1) -> Place | None:
    """The place that torchrun or srun has given to this process; None without them.

    Args:
        environment: environment variables.
        started_here: processes that the user wants to start from this one; with more than one, a
            script of SLURM is not taken for a task of srun.

    Raises:
        InputError: if tasks are not spread over the machines in equal blocks.
    """
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= environment.keys():
        size = int(environment["WORLD_SIZE"])
        return Place(
            rank=int(environment["RANK"]),
            world_size=size,
            local_rank=int(environment["LOCAL_RANK"]),
            local_size=int(environment.get("LOCAL_WORLD_SIZE", size)),
            url="env://",
            starter="torchrun",
            restarted=int(environment.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0,
        )
    in_step = "SLURM_STEP_NUM_TASKS" in environment  # of srun; a batch script has only the others
    tasks = environment.get("SLURM_STEP_NUM_TASKS") or environment.get("SLURM_NTASKS", "1")
    if "SLURM_PROCID" not in environment or int(tasks) == 1 or (started_here > 1 and not in_step):
        return None
    return _slurm_place(environment, int(tasks))


def _slurm_place(environment: Mapping[str, str], tasks: int) -> Place:
    def first_of(*names: str) -> str | None:
        return next((environment[name] for name in names if environment.get(name)), None)

    rank = int(environment["SLURM_PROCID"])
    local_rank = int(environment.get("SLURM_LOCALID", rank))
    nodes = int(first_of("SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") or 1)
    spread = first_of("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE") or str(tasks // nodes)
    local_size = int(re.match(r"\d+", spread)[0])  # type: ignore[index]
    if "," in spread or local_size * nodes != tasks or rank % local_size != local_rank:
        raise InputError(
            f"SLURM has spread {tasks} tasks over {nodes} nodes as {spread} (task {rank} is number "
            f"{local_rank} of its node): use srun with --ntasks-per-node N --distribution block."
        )
    names = first_of("SLURM_STEP_NODELIST", "SLURM_NODELIST", "SLURM_JOB_NODELIST")
    host = environment.get("MASTER_ADDR") or (first_host(names) if names else "127.0.0.1")
    # the same port in all tasks, and rarely that of another job
    job = int(environment.get("SLURM_JOB_ID", 0)) + int(first_of("SLURM_STEP_ID") or 0)
    port = environment.get("MASTER_PORT") or str(15000 + job % 15000)
    return Place(rank, tasks, local_rank, local_size, f"tcp://{host}:{port}", "srun")


def first_host(names: str) -> str:
    """First host of a list of SLURM: "node007" of "node[007-009,012],other"."""
    name, number, rest = re.match(r"([^,[]*)(?:\[(\w+)[^]]*\])?([^,]*)", names).groups("")
    return name + number + rest


def _start(
    local_rank: int,
    function: Callable[..., object],
    args: tuple,
    world_size: int,
    local_size: int,
    machine_rank: int,
    url: str,
) -> None:
    """Main function of a process that was started here."""
    rank = machine_rank * local_size + local_rank
    with errors_in_one_line(quiet=True):
        _join(Place(rank, world_size, local_rank, local_size, url, "train_net.py"), function, args)


def _join(place: Place, function: Callable[..., object], args: tuple) -> None:
    """Run the function as one of several processes."""
    # what ends a training is explained here, and may be that another process has died
    logging.getLogger("detectron2.engine.train_loop").addFilter(lambda r: not r.exc_info)
    with _process_group(place):
        local = place.local_size == place.world_size
        watch = Watch("127.0.0.1" if local else place.master, on_stop=stop_request.make)
        stop_request.tell = watch.ask_to_stop
        try:
            function(*args)
            watch.finish()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            threading.Thread(target=_end_in_any_case, daemon=True).start()
            _explain(error, watch, place)
        finally:
            watch.close()


def _explain(error: BaseException, watch: Watch, place: Place) -> None:
    """Raise what is left to say after an error: nothing if another process has said it."""
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        watch.fail(f"Process {place.rank} of {place.world_size} ended early.")
        watch.linger()
        raise error
    expected = isinstance(error, (InputError, FileNotFoundError))
    # an operation with a process that has ended fails, too: the reason is that process
    news = watch.gone(0 if expected else END_SECONDS / 2)
    if news is not None:
        if news[1]:
            raise ProcessEnded(news[0]) from None
        sys.exit(1)
    sentence = str(error)
    if not expected:
        reason = traceback.format_exception_only(type(error), error)[-1].strip()
        sentence = f"Process {place.rank} of {place.world_size} failed: {reason}"
    first = watch.fail(sentence)
    watch.linger()
    if not first:
        sys.exit(1)
    if not expected:
        logger.error(sentence, exc_info=error)
        if place.rank:  # whose log is only in a file
            traceback.print_exception(error)
        raise ProcessEnded(sentence) from None
    raise error


def _end_in_any_case() -> None:
    """End a process whose clean-up hangs in an operation with processes that have ended."""
    time.sleep(2 * END_SECONDS)
    os._exit(1)


@contextmanager
def _process_group(place: Place) -> Iterator[None]:
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        visible = torch.cuda.device_count()  # one where SLURM shows each task its own
        if visible not in (1, place.local_size) and place.local_rank >= visible:
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
            dist.init_process_group(
                backend="nccl" if on_gpu else "gloo",
                init_method=place.url,
                world_size=place.world_size,
                rank=place.rank,
                timeout=DEFAULT_TIMEOUT,
            )
    except (RuntimeError, ValueError) as error:  # of the network, of a malformed address
        raise _not_met(place, error) from error
    try:
        comm.create_local_process_group(place.local_size)
        comm.synchronize()
        yield
    finally:
        # threads of gloo that outlive the interpreter abort the process
        dist.destroy_process_group()


def _not_met(place: Place, error: Exception) -> InputError:
    reason = str(error).strip().splitlines()[0]
    if "EADDRINUSE" in str(error) or "address already in use" in str(error):
        return InputError(
            f"The port of {place.url} is in use (another training on this machine?): give another "
            "one with --dist-url, or --dist-url auto on a single machine."
        )
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _supervise(processes: Sequence[BaseProcess], first_rank: int, world_size: int) -> None:
    """Wait for processes that were started here, and hand signals on to them."""

    asked: list[int] = []

    def hand_on(number: int, frame: object) -> None:
        at_once = number == signal.SIGINT and number in asked
        asked.append(number)
        for process in processes:
            if process.is_alive():
                # SIGTERM: Ctrl-C reaches the processes, too, and they count only that
                process.kill() if at_once else process.terminate()

    previous = {n: signal.signal(n, hand_on) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        _wait_for_end(processes)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    codes = [process.exitcode or 0 for process in processes]
    if INTERRUPTED in codes or (asked and any(codes)):
        raise KeyboardInterrupt
    failed = next((code for code in codes if code > 0), None)
    if failed is not None:
        sys.exit(failed)
    killed = next((index for index, code in enumerate(codes) if code < 0), None)
    if killed is not None:
        raise ProcessEnded(
            f"Process {first_rank + killed} of {world_size} (PID {processes[killed].pid}) was ended"
            f" by {signal.Signals(-codes[killed]).name}: continue from the newest checkpoint with "
            "--resume."
        )


def _wait_for_end(processes: Sequence[BaseProcess]) -> None:
    """Wait until all have ended; the others have half a minute after one that failed."""
    deadline = None
    while alive := [process for process in processes if process.is_alive()]:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        connection.wait([process.sentinel for process in alive], left)
        if deadline is None and any(process.exitcode for process in processes):
            deadline = time.monotonic() + 3 * END_SECONDS
        elif deadline is not None and time.monotonic() >= deadline:
            for process in alive:
                process.kill()
