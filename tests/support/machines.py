"""Other machines on this one: two with a cable between them, and one with little shared memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Machine:
    """A network namespace with an address of its own."""

    name: str
    address: str
    device: str

    @property
    def run(self) -> tuple[str, ...]:
        """What a command line begins with that is to run there."""
        return "ip", "netns", "exec", self.name

    def unplug(self) -> None:
        ip("-n", self.name, "link", "set", self.device, "down")


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Two machines that see nothing but each other; skips the test where there can be none."""
    number = os.getpid()
    machines = tuple(
        Machine(f"boxmask{number}{letter}", f"10.77.0.{last}", f"bm{number % 10**8}{letter}")
        for last, letter in enumerate("ab", start=1)
    )
    try:
        ip("netns", "add", machines[0].name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces cannot be made: {error}")
    try:
        a, b = machines
        ip("netns", "add", b.name)
        cable = ("type", "veth", "peer", "name", b.device, "netns", b.name)
        ip("-n", a.name, "link", "add", a.device, *cable)
        for machine in machines:
            ip("-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", machine.device)
            ip("-n", machine.name, "link", "set", "lo", "up")
            ip("-n", machine.name, "link", "set", machine.device, "up")
        yield a, b
    finally:
        for machine in machines:
            subprocess.run(["ip", "netns", "del", machine.name], capture_output=True, check=False)


def with_shared_memory_of(size: str) -> tuple[str, ...]:
    """What a command line begins with that sees a small /dev/shm, as in a container.

    Skips the test where it cannot be mounted.
    """
    mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    root = () if os.geteuid() == 0 else ("--map-root-user",)
    command = ("unshare", "--mount", *root, "sh", "-c", mount, "sh")
    try:
        subprocess.run([*command, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small /dev/shm cannot be mounted: {error}")
    return command


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, check=True)
