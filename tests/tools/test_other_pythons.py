"""The whole set-up, downloads included, with other interpreters of this machine, and tests in it.

``BOXMASK_VID_TEST_PYTHONS`` names them ("3.12 3.13"; "all": each from 3.10 that the machine has).
Each takes minutes, and 9 GB of disk while it runs.
"""

import faulthandler
import os
import shutil
import subprocess
import sys

import pytest

from support.paths import PROJECT, REPOSITORY
from support.pythons import find_python

QUICK_TESTS = (
    *("test_config.py", "structures", "evaluation", "video/test_frame_handler.py"),
    *("modeling/test_layers.py", "modeling/test_heads.py", "modeling/test_video_rcnn.py"),
)


def chosen_versions() -> list[str]:
    chosen = os.environ.get("BOXMASK_VID_TEST_PYTHONS", "")
    if chosen != "all":
        return chosen.split()
    here = sys.version_info.minor
    return [f"3.{minor}" for minor in range(10, 20) if minor != here and find_python(f"3.{minor}")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "version",
    chosen_versions()
    or [pytest.param("", marks=pytest.mark.skip("set BOXMASK_VID_TEST_PYTHONS=3.13, or =all"))],
)
def test_set_up_and_quick_tests(version, tmp_path):
    faulthandler.cancel_dump_traceback_later()  # it takes longer than faulthandler_timeout
    python = find_python(version)
    assert python, f"Python {version} not found: put python{version} on the PATH"
    env = tmp_path / "env"
    script = PROJECT / "tools/setup_environment.py"
    run([python, script, "--env", env])
    try:
        tests = [f"tests/{name}" for name in QUICK_TESTS]
        printed = run(
            [env / "bin/python", "-m", "pytest", "-q", "-n", "1", "-m", "not slow", *tests]
        )
        assert " passed" in printed
        print(f"Python {version}:", printed.splitlines()[-1])
        assert run([env / "bin/python", script, "--env", env]) == f"setup: {env} is ready\n"
    finally:
        shutil.rmtree(env)


def run(command: list) -> str:
    """Run it as a user would, outside of this test session and its environment."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "VIRTUAL_ENV", "PYTHONPATH"))
    }
    variables["PIP_NO_COMPILE"] = "1"  # Python compiles the few modules that the tests import
    done = subprocess.run(
        command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout
