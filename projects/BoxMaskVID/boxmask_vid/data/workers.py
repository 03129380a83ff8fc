"""Worker processes of data loaders: signals to the training, and a shared memory that is small."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from detectron2.utils import comm
from torch.utils.data import DataLoader, get_worker_info

from ..errors import InputError

logger = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")
PAGE = 4096  # bytes


def prepare_workers(loader: DataLoader) -> DataLoader:
    """Let the workers of a loader outlive signals to the process group, and a full /dev/shm.

    The loader itself ends its workers. Batches that may not fit into the shared memory go through
    pipes instead, which is said in the log: PyTorch would wait for them for ever.
    """
    if loader.num_workers:
        loader.worker_init_fn = WorkerStart(loader.worker_init_fn)
        prefetched = loader.num_workers * (loader.prefetch_factor or 1)
        ranks = comm.get_local_size() if comm.get_world_size() > 1 else 1
        loader.collate_fn = SharedMemoryCheck(loader.collate_fn, batches=ranks * prefetched)
    return loader


def without_worker(error: RuntimeError) -> InputError | None:
    """Return the sentence for the error of a loader that has lost a worker; None for others."""
    reason = str(error).strip().splitlines()[0] if str(error) else ""
    if not reason.startswith("DataLoader worker"):
        return None
    return InputError(
        f"{reason.rstrip('. ')}: the machine or the container has too little memory (lower "
        "DATALOADER.NUM_WORKERS) or shared memory (start the container with a larger --shm-size)."
    )


@contextmanager
def lost_workers_explained() -> Iterator[None]:
    """Raise InputError in place of PyTorch's error about a worker that was killed.

    It comes out of a signal handler, in the middle of whatever the process is doing.
    """
    try:
        yield
    except RuntimeError as error:
        lost = without_worker(error)
        if lost is None:
            raise
        raise lost from error


class WorkerStart:
    """Start of a worker that SIGTERM ends only if its own loader sends it, and SIGHUP never.

    ``timeout``, SLURM, torchrun and closed terminals send them to all processes; they are meant for
    the training, which then needs its workers to finish the iteration.
    """

    def __init__(self, start: Callable[[int], None] | None) -> None:
        self._start = start

    def __call__(self, worker: int) -> None:
        if self._start is not None:
            self._start(worker)
        if hasattr(signal, "sigwaitinfo"):  # a handler would not learn who sends the signal
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
            threading.Thread(target=_end_for_loader, daemon=True).start()
        sys.excepthook = _show_unless_orphaned


def _end_for_loader() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def _show_unless_orphaned(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Show an error of a thread, but not that its batch finds no reader: that one was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join(1)
    if parent is None or parent.is_alive():
        sys.__excepthook__(kind, error, trace)


class SharedMemoryCheck:
    """Collate function that sends a batch through the pipe where /dev/shm has too little room."""

    def __init__(self, collate: Callable[[list], Any], *, batches: int) -> None:
        """
        Args:
            collate: makes a batch of samples.
            batches: number of batches that are under way at the same time, on this machine.
        """
        self._collate, self._batches, self._said = collate, batches, False

    def __call__(self, samples: list) -> Any:
        batch = self._collate(samples)
        if not SHARED_MEMORY.is_dir():
            return batch
        size, free = size_in_shared_memory(batch), free_bytes(SHARED_MEMORY)
        if free >= self._batches * size:
            return batch
        worker = get_worker_info()
        if not self._said and worker is not None and worker.id == 0:
            logger.warning(
                f"{SHARED_MEMORY} has {free / 2**20:.1f} MiB free, too little for {self._batches} "
                f"batches of {size / 2**20:.1f} MiB: they go through pipes, which is slower. Start "
                "the container with a larger --shm-size."
            )
        self._said = True
        return PickledByValue(batch)


class PickledByValue:
    """Value whose tensors are copied when it is sent to another process; arrives as the value."""

    def __init__(self, value: Any) -> None:
        self._bytes = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)

    def __reduce__(self) -> tuple:
        return pickle.loads, (self._bytes,)


def free_bytes(folder: Path) -> int:
    """Bytes that are free on the file system of a folder."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def size_in_shared_memory(value: Any) -> int:
    """Bytes that the tensors of a sample, a batch, ``Instances``, ... take, in whole pages."""
    if isinstance(value, torch.Tensor):
        return -(-value.untyped_storage().nbytes() // PAGE) * PAGE
    if isinstance(value, dict):
        return sum(map(size_in_shared_memory, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(size_in_shared_memory, value))
    return size_in_shared_memory(vars(value)) if hasattr(value, "__dict__") else 0
