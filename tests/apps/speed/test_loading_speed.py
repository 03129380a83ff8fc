import subprocess
import sys

from support.paths import PROJECT


def test_time_and_memory_of_a_small_data_set():
    command = [sys.executable, "-W", "ignore", PROJECT / "tools/benchmark_loading.py"]
    done = subprocess.run(
        [*command, "--frames", "4000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "4000 frames, 2 MiB of JSON: loader built in" in done.stdout
    assert done.stdout.count("a loader worker has") == 2
