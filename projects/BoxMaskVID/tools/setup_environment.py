#!/usr/bin/env python3
"""Make or update the virtual environment of BoxMaskVID.

    python3 projects/BoxMaskVID/tools/setup_environment.py [--env DIR]

Standard library only, written so that Python 3.6 to 3.9 reach the sentence which refuses them, and
safe to repeat: a finished environment is recognised in a moment, an
interrupted run continues. Detectron2 is not on the Python package index, so a wheel that another
project published there (see the README) is downloaded, checked against its hash, rewrapped as an
ordinary pure-Python wheel and installed with everything else. A Detectron2 that is already in the
environment is kept, with the packages it was built for.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CONSTRAINTS = REPOSITORY / "constraints.txt"
OLDEST_PYTHON, NEWEST_TESTED_PYTHON = (3, 10), (3, 13)
BUILD_TOOLS = ("setuptools", "wheel")  # of the source packages among the pins
NEEDED_GIB = 9  # torch with its GPU libraries is 5.6 GiB, and pip unpacks next to the old files

UPSTREAM_WHEEL = "sal-detectron2==0.7.2"
UPSTREAM_SHA256 = "491af0c7f79bdb2d178e46f6cb16a97c4ac968d45c41ea3f6b6435d59bbee561"
WHEEL_VERSION = "0.6+sal0.7.2"
WHEEL_NAME = f"detectron2-{WHEEL_VERSION}-py3-none-any.whl"
# Needed by Detectron2's code, missing in the published metadata.
EXTRA_REQUIREMENTS = ("fvcore<0.1.6,>=0.1.5", "iopath<0.1.10,>=0.1.7", "setuptools<82")
# The published metadata says numpy<2, but the Python code runs with both; constraints.txt chooses.
CHANGED_REQUIREMENTS = {"Requires-Dist: numpy<2": "Requires-Dist: numpy"}
SMALL_DISK = """\
Small disk: with PyTorch's CPU build the environment takes about 2 GB in place of 6. Install that
first, in the versions of constraints.txt and from the index (URL) that pytorch.org shows for
"Compute Platform: CPU"; the set-up keeps it:

    python3 -m venv DIR
    DIR/bin/pip install -c constraints.txt torch torchvision --index-url URL
    python3 projects/BoxMaskVID/tools/setup_environment.py --env DIR
"""
IMPORT_CHECK = "import torch, torchvision, cv2, pycocotools, detectron2, boxmask_vid"


class SetupError(Exception):
    """A problem that the user has to fix; the message is one sentence with the remedy."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog=SMALL_DISK,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--env",
        type=Path,
        default=Path(os.environ.get("VIRTUAL_ENV") or REPOSITORY / ".venv"),
        help="virtual environment to make or complete (default: the active one, else .venv)",
    )
    try:
        set_up(parser.parse_args().env.absolute())
    except SetupError as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; run the same command again and it continues.")


def set_up(env: Path) -> None:
    stamp = env / "boxmask_vid_setup.json"
    if stamp.is_file() and stamp.read_text() == fingerprint(env):
        print(f"setup: {env} is ready")
        return
    check_python(env)
    check_disk(env)
    python = make_environment(env)
    stamp.unlink(missing_ok=True)
    pip(python, "install", "-c", CONSTRAINTS, *BUILD_TOOLS, step="installing the build tools")
    packages, constraints = ["torch", "torchvision"], CONSTRAINTS
    if installed_version(python, "detectron2") in ("", WHEEL_VERSION):
        packages.append(str(detectron2_wheel(python, env / "detectron2_wheel")))
    else:
        print("setup: Detectron2 is installed already and is kept, with its packages")
        constraints = constraints_for_missing(python, env / "constraints_for_missing.txt")
    pip(
        *(python, "install", "-c", constraints, "--no-build-isolation", "--use-pep517"),
        *(*packages, "-e", f"{REPOSITORY}[export,fast,serve,test]"),
        step="installing the packages",
    )
    pip(python, "check", step="checking that the packages fit together")
    check_imports(python)
    stamp.write_text(fingerprint(env))
    print(f"setup: {env} is ready; use it with:  source {env / 'bin' / 'activate'}")


def fingerprint(env: Path) -> str:
    """Digests of everything the environment is made from; a change requires a new set-up."""
    sources = [CONSTRAINTS, REPOSITORY / "setup.py", Path(__file__).resolve()]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    python = (env / "bin" / "python").resolve()
    return json.dumps({"repository": str(REPOSITORY), "python": str(python), **digests}, indent=1)


def check_python(env: Path) -> None:
    version: tuple = sys.version_info[:2]
    refuse_old_python(Path(sys.executable), version)
    python = env / "bin" / "python"
    if python.exists():
        printed = run_python(python, "import sys; print(*sys.version_info[:2])")
        version = tuple(int(number) for number in printed.split())
        refuse_old_python(python, version)
    if version > NEWEST_TESTED_PYTHON:
        print(
            f"setup: Python {dotted(version)} is newer than those that were tested "
            f"({dotted(OLDEST_PYTHON)} to {dotted(NEWEST_TESTED_PYTHON)}); trying it",
            flush=True,
        )


def refuse_old_python(python: Path, version: tuple) -> None:
    if version < OLDEST_PYTHON:
        raise SetupError(
            f"Python {dotted(OLDEST_PYTHON)} or newer is needed, {python} is Python "
            f"{dotted(version)}: install a newer one and run 'make PYTHON=/path/to/python3 "
            "ENV=/path/to/new/folder ...'."
        )


def dotted(version: tuple) -> str:
    return ".".join(map(str, version))


def check_disk(env: Path) -> None:
    if any(env.glob("lib/python*/site-packages/torch/version.py")):
        return  # the large part is installed
    place = next(folder for folder in (env, *env.parents) if folder.exists())
    free = shutil.disk_usage(place).free / 2**30
    if free < NEEDED_GIB:
        raise SetupError(
            f"{NEEDED_GIB} GiB of disk are needed, {place} has {free:.1f} GiB free: "
            "make room, choose another folder with --env DIR (make ENV=DIR ...), or install the "
            "smaller CPU build of PyTorch first (--help says how)."
        )


def make_environment(env: Path) -> Path:
    python = env / "bin" / "python"
    if not python.exists() or not output_of(python, "import pip; print(pip)"):
        print(f"setup: making the environment {env}", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", env], capture_output=True, text=True)
        if made.returncode:
            reason = (made.stdout + made.stderr).strip().splitlines() or ["no reason given"]
            package = f"python{dotted(sys.version_info[:2])}-venv"
            raise SetupError(
                f"'{sys.executable} -m venv {env}' failed ({reason[-1].strip()}): install this "
                f"Python's module 'venv' (on Debian and Ubuntu: 'apt install {package}')."
            )
    return python


def detectron2_wheel(python: Path, folder: Path) -> Path:
    wheel = folder / WHEEL_NAME
    if wheel.is_file():
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    requirement = folder / "upstream.txt"
    requirement.write_text(f"{UPSTREAM_WHEEL} --hash=sha256:{UPSTREAM_SHA256}\n")
    pip(
        *(python, "download", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        *("--python-version", "3.10", "--implementation", "cp", "--dest", folder),
        *("--requirement", requirement),
        step="downloading the Detectron2 wheel",
    )
    (upstream,) = folder.glob("sal_detectron2-*.whl")
    unfinished = wheel.with_suffix(".part")
    rewrap(upstream, unfinished)
    unfinished.replace(wheel)
    return wheel


def rewrap(upstream: Path, wheel: Path) -> None:
    """Write the Python part of ``upstream`` as a pure-Python wheel called ``detectron2``.

    Left out: a compiled library for another Python version, and a top-level package ``tools``
    that would shadow other packages of that name. The metadata gains the missing requirements.
    """
    dist_info = f"detectron2-{WHEEL_VERSION}.dist-info"
    records = []
    with zipfile.ZipFile(upstream) as source, zipfile.ZipFile(wheel, "w") as target:

        def write(name: str, content: bytes) -> None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            records.append(f"{name},sha256={digest.decode()},{len(content)}")
            target.writestr(name, content, zipfile.ZIP_DEFLATED)

        for name in source.namelist():
            if name.startswith("detectron2/") and not name.endswith((".so", "/")):
                write(name, source.read(name))
            elif name.endswith(".dist-info/LICENSE"):
                write(f"{dist_info}/LICENSE", source.read(name))
            elif name.endswith(".dist-info/METADATA"):
                write(f"{dist_info}/METADATA", rewrapped_metadata(source.read(name).decode()))
        write(
            f"{dist_info}/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: BoxMaskVID setup_environment\n"
            b"Root-Is-Purelib: true\nTag: py3-none-any\n",
        )
        target.writestr(f"{dist_info}/RECORD", "\n".join([*records, f"{dist_info}/RECORD,,", ""]))


def rewrapped_metadata(metadata: str) -> bytes:
    header, separator, description = metadata.partition("\n\n")
    changed = {"Name": "Name: detectron2", "Version": f"Version: {WHEEL_VERSION}"}
    lines = [
        changed.get(line.partition(":")[0], CHANGED_REQUIREMENTS.get(line, line))
        for line in header.splitlines()
    ]
    lines += [f"Requires-Dist: {requirement}" for requirement in EXTRA_REQUIREMENTS]
    return ("\n".join(lines) + separator + description).encode()


def constraints_for_missing(python: Path, path: Path) -> Path:
    """Write our pins without those of packages that the environment has in any version."""
    listed = run_python(
        python,
        "import importlib.metadata as m; print(*(d.metadata['Name'] for d in m.distributions()))",
    )
    present = {normalised(name) for name in listed.split()}
    pins = [line for line in CONSTRAINTS.read_text().splitlines() if "==" in line]
    kept = [pin for pin in pins if normalised(pin.split("==")[0]) not in present]
    path.write_text("\n".join(kept) + "\n")
    return path


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def check_imports(python: Path) -> None:
    done = subprocess.run([python, "-c", IMPORT_CHECK], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SetupError(
            f"the packages are installed but '{IMPORT_CHECK}' fails ({reason}): delete "
            f"{python.parents[1]} and run the same command again."
        )


def installed_version(python: Path, package: str) -> str:
    """Version of an installed package; empty if it is not installed."""
    return output_of(
        python, f"import importlib.metadata as m; print(m.version({package!r}))"
    ).strip()


def run_python(python: Path, code: str) -> str:
    printed = output_of(python, code)
    if not printed:
        raise SetupError(f"{python} does not run: delete {python.parents[1]} and try again.")
    return printed


def output_of(python: Path, code: str) -> str:
    """Standard output of a program; empty if it fails."""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return "" if done.returncode else done.stdout


def pip(python: Path, *arguments: object, step: str) -> None:
    print(f"setup: {step}", flush=True)
    command = [str(part) for part in (python, "-m", "pip", *arguments)]
    errors = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:  # progress goes straight to the terminal
            sys.stderr.write(line)
            errors.append(line.strip())
    if process.returncode:
        raise SetupError(f"{step} failed: {pip_failure(errors)}")


def pip_failure(errors: list) -> str:
    text = "\n".join(errors)
    again = "run the same command again and it continues."
    if "No space left on device" in text:
        return f"the disk is full; make room and {again}"
    if re.search(r"connection broken|Failed to establish|Network is unreachable|Max retries", text):
        return (
            "no package index could be reached; check the network (or PIP_INDEX_URL and the "
            f"proxy settings) and {again}"
        )
    reason = next((line for line in reversed(errors) if line.startswith("ERROR")), "see above")
    return f"pip says '{reason}'; fix that and {again}"


if __name__ == "__main__":
    main()
