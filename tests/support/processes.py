"""Functions that run in several processes of one group, as a training on several GPUs does."""

from collections.abc import Callable

import torch.distributed as distributed
from detectron2.engine import launch
from detectron2.utils import comm


def run_on_ranks(function: Callable[..., None], *args: object, count: int = 2) -> None:
    """Run ``function(*args)`` in ``count`` processes and wait for them.

    The group is taken down before the processes end: the threads of gloo abort an interpreter that
    ends under them.
    """
    launch(_run_and_leave, count, dist_url="auto", args=(function, args))


def _run_and_leave(function: Callable[..., None], args: tuple) -> None:
    function(*args)
    comm.synchronize()
    distributed.destroy_process_group()
