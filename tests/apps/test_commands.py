"""Commands that the demo and the ablation run."""

import os
import signal
import subprocess
import sys

import pytest

from boxmask_vid.apps.commands import Command

SAVES = """
import signal, sys, time

def save(*_):
    time.sleep(1)  # as long as a training takes to its next checkpoint
    open("saved", "w").close()
    sys.exit(130)

signal.signal(signal.SIGINT, save)
print("started", flush=True)
signal.pause()
"""
RUN = """
from pathlib import Path
from boxmask_vid.apps.commands import Command
try:
    Command(Path("."), "script.py", []).run()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_command_saves_its_work_after_ctrl_c_in_a_terminal(tmp_path):
    (tmp_path / "script.py").write_text(SAVES)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "started\n"
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells all its processes
    assert process.communicate()[0] == "interrupted\n"
    assert (tmp_path / "saved").exists()


def test_a_command_that_alone_was_interrupted(tmp_path):
    (tmp_path / "script.py").write_text("import sys; sys.exit(130)")
    with pytest.raises(KeyboardInterrupt):
        Command(tmp_path, "script.py", []).run()
