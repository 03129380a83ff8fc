"""The place of a process among those of a training, as torchrun or SLURM's srun gives it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import InputError

_OF_TORCHRUN = "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"


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
    def fresh_url(self) -> bool:
        """Whether no processes have met at the URL before."""
        return self.url != "env://" or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"

    @property
    def master(self) -> str:
        """Host at which the processes meet."""
        if self.url == "env://":
            return os.environ["MASTER_ADDR"]
        return urlsplit(self.url).hostname or "127.0.0.1"


def check_alone(environment: Mapping[str, str]) -> None:
    """Check that a process that nothing else was asked of is not one of several.

    Raises:
        InputError: if it has a rank, as torchrun gives it, but is not told where they meet.
    """
    found = [name for name in ("RANK", "WORLD_SIZE") if name in environment]
    if found and environment.get("WORLD_SIZE") != "1":
        missing = ", ".join(name for name in _OF_TORCHRUN if name not in environment)
        raise InputError(
            f"The environment has {' and '.join(found)} of several processes, but not {missing}: "
            f"start with torchrun, or unset {' '.join(found)} to train without other processes."
        )


def place_in(environment: Mapping[str, str], *, started_here: int = 1) -> Place | None:
    """The place that torchrun or srun has given to this process; None without them.

    Args:
        environment: environment variables.
        started_here: processes that the user wants to start from this one; with more than one, a
            script of SLURM is not taken for a task of srun.

    Raises:
        InputError: if tasks are not spread over the machines in equal blocks, or the variables of
            torchrun have impossible values.
    """
    if environment.keys() >= set(_OF_TORCHRUN):
        return _torchrun_place(environment)
    in_step = "SLURM_STEP_NUM_TASKS" in environment  # of srun; a batch script has only the others
    if "SLURM_PROCID" not in environment or (started_here > 1 and not in_step):
        return None
    name = "SLURM_STEP_NUM_TASKS" if environment.get("SLURM_STEP_NUM_TASKS") else "SLURM_NTASKS"
    tasks = _number(environment, name, "srun", 1)
    return None if tasks < 2 else _slurm_place(environment, tasks)


def _number(environment: Mapping[str, str], name: str, starter: str, default: int = 0) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal():
        raise InputError(f"{name} is '{text}' in the environment: {starter} sets a number.")
    return int(text)


def _torchrun_place(environment: Mapping[str, str]) -> Place:
    def number(name: str, default: int = 0) -> int:
        return _number(environment, name, "torchrun", default)

    size = number("WORLD_SIZE")
    local_size = number("LOCAL_WORLD_SIZE", size)
    for name, limit in (("RANK", size), ("LOCAL_RANK", local_size)):
        if number(name) >= limit:
            raise InputError(
                f"{name} is {number(name)} in the environment, but there are {limit} processes, "
                f"which count from 0: start them with torchrun, or correct {name}."
            )
    return Place(
        rank=number("RANK"),
        world_size=size,
        local_rank=number("LOCAL_RANK"),
        local_size=local_size,
        url="env://",
        starter="torchrun",
        restarted=number("TORCHELASTIC_RESTART_COUNT") > 0,
    )


def _slurm_place(environment: Mapping[str, str], tasks: int) -> Place:
    def first_of(*names: str) -> str | None:
        return next((environment[name] for name in names if environment.get(name)), None)

    def number(name: str, default: int = 0) -> int:
        return _number(environment, name, "srun", default)

    rank = number("SLURM_PROCID")
    local_rank = number("SLURM_LOCALID", rank)
    nodes = int(first_of("SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES") or 1)
    spread = first_of("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE") or str(tasks // nodes)
    local_size = int("".join(re.findall(r"^\d+", spread)) or 0)
    uneven = "," in spread or local_size * nodes != tasks
    if uneven or rank % local_size != local_rank:
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
    name, _, rest = names.partition("[")
    if "," in name or not rest:
        return names.partition(",")[0]
    numbers, _, rest = rest.partition("]")
    return name + re.split("[-,]", numbers)[0] + rest.partition(",")[0]
