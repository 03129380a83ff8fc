"""Other interpreters of this machine."""

import os
import shutil
import subprocess
from pathlib import Path


def find_python(version: str) -> Path | None:
    """An interpreter that is Python ``version`` ("3.12"): one of pyenv, or on the PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    name = f"python{version}"
    found = [*sorted(pyenv.glob(f"versions/{version}.*/bin/{name}")), shutil.which(name)]
    return next((Path(path) for path in found if path and runs(path)), None)


def runs(python: Path | str) -> bool:
    """Whether it starts; a shim of pyenv may stand for an interpreter that is not chosen."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
