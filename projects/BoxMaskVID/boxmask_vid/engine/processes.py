"""Processes of a training: started by Detectron2's options, by torchrun or by SLURM's srun."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import connection, get_start_method, set_start_method
from multiprocessing.process import BaseProcess
from urllib.parse import urlsplit

from detectron2.utils import comm
from torch.multiprocessing import start_processes

from ..errors import InputError
from .interrupts import ending_signals, stop_request
from .place import Place, check_alone, place_in
from .process_group import process_group
from .setup import errors_in_one_line
from .watch import END_SECONDS, ProcessEnded, Watch

logger = logging.getLogger(__name__)

INTERRUPTED = 130  # exit code, as a shell reports Ctrl-C


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
        InputError: if the processes do not find each other, or one of them dies; if this one has
            the rank of several, but nothing says where they meet.
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
    if world_size < 1 or not 0 <= machine_rank < num_machines:
        raise InputError(
            f"--num-gpus is {num_gpus}, --num-machines {num_machines}, --machine-rank "
            f"{machine_rank}: write at least 1, and ranks from 0 to {num_machines - 1}."
        )
    if world_size == 1:
        check_alone(os.environ)
        function(*args)
        return
    if dist_url == "auto":
        if num_machines > 1:
            raise InputError("--dist-url auto is for one machine: write tcp://HOST:PORT.")
        dist_url = f"tcp://127.0.0.1:{_free_port()}"
    elif machine_rank == 0:
        _check_port(dist_url)
    context = start_processes(
        _start,
        (get_start_method(), function, args, world_size, num_gpus, machine_rank, dist_url),
        nprocs=num_gpus,
        join=False,
    )
    _supervise(context.processes, machine_rank * num_gpus, world_size)


def restarted_by_torchrun() -> bool:
    """Tell whether torchrun has started a process of this training again after a failure."""
    place = place_in(os.environ)
    return any(comm.all_gather(place is not None and place.restarted))


def _start(
    local_rank: int,
    workers_start: str,
    function: Callable[..., object],
    args: tuple,
    world_size: int,
    local_size: int,
    machine_rank: int,
    url: str,
) -> None:
    """Main function of a process that was started here."""
    # else the workers of its loaders would be spawned, too, and import everything again
    set_start_method(workers_start, force=True)
    rank = machine_rank * local_size + local_rank
    with errors_in_one_line(quiet=True):
        _join(Place(rank, world_size, local_rank, local_size, url, "train_net.py"), function, args)


def _join(place: Place, function: Callable[..., object], args: tuple) -> None:
    """Run the function as one of several processes."""
    # what ends a training is explained here, and may be that another process has died
    logging.getLogger("detectron2.engine.train_loop").addFilter(lambda r: not r.exc_info)
    with process_group(place):
        local = place.local_size == place.world_size
        watch = Watch("127.0.0.1" if local else place.master, on_stop=stop_request.make)
        stop_request.tell = watch.ask_to_stop

        def end(number: int, frame: object) -> None:
            # torchrun sends it to the others when one has died, and they are to say so
            if not watch.gone(0):
                raise KeyboardInterrupt

        for number in ending_signals():
            signal.signal(number, end)
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
    if isinstance(error, KeyboardInterrupt):
        news = watch.gone(1)
        if news is not None and news[1]:
            raise ProcessEnded(news[0]) from None
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


def _check_port(url: str) -> None:
    """Raise InputError if the port, on this machine, of "tcp://HOST:PORT" is in use."""
    try:
        port = urlsplit(url).port or 0
    except ValueError:  # PyTorch says what is wrong with it
        return
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise InputError(
            f"The port of --dist-url {url} cannot be used ({error.strerror}; another training on "
            "this machine?): give another one, or --dist-url auto on a single machine."
        ) from error


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

    previous = {n: signal.signal(n, hand_on) for n in (signal.SIGINT, *ending_signals())}
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
