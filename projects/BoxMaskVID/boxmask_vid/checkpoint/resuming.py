"""The checkpoint that a training continues from: the newest one that is whole and its own.

A training writes an id into its ``OUTPUT_DIR`` and into all of its checkpoints, so that those of an
earlier training in the same folder are told apart.
"""

from __future__ import annotations

import logging
import uuid
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from detectron2.utils import comm

from ..errors import InputError, quoted
from ..files import read_json, write_json
from .checkpointer import not_finite, shown
from .reading import read_weights

logger = logging.getLogger(__name__)

TAG = "last_checkpoint"
METRICS = "metrics.json"
TRAINING = "training.json"  # id of the last training in the folder
BEST = "model_best"  # name of the checkpoint with the best metric
FINAL = "model_final"  # that of a training at its end, as in Detectron2


class TrainingState(NamedTuple):
    """What a checkpoint says of the training that wrote it."""

    path: Path
    iteration: int  # the last one that was finished
    training: str  # id of the training; empty in checkpoints of Detectron2 or of earlier versions
    settings: dict[str, Any]  # values of its config by their whole keys; empty likewise
    best: dict[str, Any]  # metric and value of the best checkpoint; else empty

    @classmethod
    def read(cls, path: Path) -> TrainingState | None:
        """State of a checkpoint of which the tensors stay on the disk; None of plain weights.

        Raises:
            InputError: if it is not a whole file of weights, or its state is none of a training.
            FileNotFoundError: if there is no such file.
        """
        content = read_weights(path, mapped=True)
        state = content.get("trainer") if isinstance(content, dict) else None
        if not isinstance(state, dict) or "iteration" not in state:
            return None
        iteration, training = state["iteration"], state.get("training", {})
        if not isinstance(iteration, int) or iteration < 0 or not isinstance(training, dict):
            raise InputError(
                f"Checkpoint {path} has no state of a training (iteration {quoted(iteration)}, "
                f"training {quoted(training)})."
            )
        own = training.get("id", ""), training.get("settings", {}), content.get("best", {})
        return cls(path, iteration, *own)


def begin_training(folder: Path, *, again: bool = False) -> str:
    """Give a training that starts in a folder its id; all processes call this.

    Args:
        folder: ``OUTPUT_DIR``.
        again: the training has begun here before, and has left no checkpoint.

    Raises:
        InputError: if the file cannot be written.
    """
    known = last_training(folder).get("id") if again else None
    training = comm.all_gather(known or uuid.uuid4().hex)[0]
    if comm.is_main_process() and training != known:
        metrics = folder / METRICS
        size = metrics.stat().st_size if metrics.is_file() else 0
        earlier = sorted(path.name for path in folder.glob("model_*.pth"))
        if earlier:
            logger.warning(
                f"{folder} has checkpoints of an earlier training ({shown(earlier, 5)}): this one "
                "replaces those of the same names; choose another OUTPUT_DIR to keep them."
            )
        write_json(folder / TRAINING, {"id": training, "metrics_start": size})
    return training


def last_training(folder: Path) -> dict[str, Any]:
    """Id of the last training that started in a folder, and the byte that its metrics start at."""
    try:
        content = read_json(folder / TRAINING)
    except (InputError, FileNotFoundError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("metrics_start", 0), int):
        return {}
    return content


def newest_checkpoint(folder: Path) -> TrainingState | None:
    """The checkpoint to resume from, None where a training has left none; all processes call this.

    It is the one that ``last_checkpoint`` names, if it is whole and finite and no newer one was
    written after that; else the newest one that is. Why another one was left out is logged.

    Raises:
        InputError: if there are checkpoints, but none to continue from.
    """
    found, problem = None, ""
    if comm.is_main_process():
        try:
            found = _newest(folder)
        except InputError as error:
            problem = str(error)
    found, problem = comm.all_gather((found, problem))[0]
    if problem:
        raise InputError(problem)
    return found


def refuse_to_replace_weights(folder: Path) -> None:
    """Raise InputError if a training that starts over would replace weights without its state.

    Args:
        folder: ``OUTPUT_DIR`` of a training that was to be resumed and has no checkpoint there.
    """
    paths = [
        path for path in sorted(folder.glob("model_*.pth")) if TrainingState.read(path) is None
    ]
    if paths:
        raise InputError(
            f"{folder} has weights, but not the state of a training to resume "
            f"({shown([path.name for path in paths], 5)}): start from them with MODEL.WEIGHTS "
            f"{paths[-1]} and another OUTPUT_DIR."
        )


def recorded_seed(folder: Path) -> int | None:
    """Seed of the training in a folder, from its checkpoints or its ``config.yaml``.

    Raises:
        InputError: if there are checkpoints, but nothing says the seed.
    """
    states, _ = _states(folder)
    for state in states:
        if "SEED" in state.settings:
            return int(state.settings["SEED"])
    written = folder / "config.yaml"
    try:
        content = yaml.safe_load(written.read_text()) if written.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if isinstance(content, dict) and isinstance(content.get("SEED"), int):
        return content["SEED"] if content["SEED"] >= 0 else None
    if states:
        raise InputError(
            f"{written} is missing, empty or cut off, and says no SEED for the training to "
            "continue: add SEED N with that of the training (its log.txt has it)."
        )
    return None


def own_checkpoints(folder: Path, training: str) -> list[TrainingState]:
    """Whole checkpoints of a training, oldest first."""
    states = [state for state in _states(folder)[0] if state.training == training]
    return sorted(states, key=lambda state: state.iteration)


def _newest(folder: Path) -> TrainingState | None:
    states, left_out = _states(folder)
    named = _named(folder)
    tag = folder / TAG
    tagged_at = tag.stat().st_mtime_ns if tag.is_file() else 0
    reached = max((state.iteration for state in states if state.path == named), default=-1)

    def rank(state: TrainingState) -> tuple:
        # whoever goes back to an older checkpoint writes its name after the newer ones were saved
        is_newer = state.path.stat().st_mtime_ns > tagged_at and state.iteration > reached
        return is_newer, state.path == named, state.iteration, state.path.stem != BEST

    for state in sorted(states, key=rank, reverse=True):
        problem = _problem(state.path)
        if problem:
            logger.warning(problem)
            left_out.append(state.path.name)
            continue
        if left_out or state.path != named:
            logger.warning(
                f"Continuing from {state.path}, the newest checkpoint that is whole (after "
                f"iteration {state.iteration}; {_said_by(tag)})."
            )
        return state
    if left_out:
        raise InputError(
            f"{folder} has checkpoints ({shown(left_out, 5)}), but none that is whole: leave out "
            "--resume to start over, or choose another OUTPUT_DIR."
        )
    return None


def _states(folder: Path) -> tuple[list[TrainingState], list[str]]:
    """States of the training in a folder, and names of the files that could not be read."""
    training = last_training(folder).get("id", "")
    states, damaged, foreign = [], [], []
    for path in sorted(folder.glob("*.pth")):
        try:
            state = TrainingState.read(path)
        except (InputError, FileNotFoundError) as error:  # also a folder, or a link to nowhere
            logger.warning(f"{error} It is left out.")
            damaged.append(path.name)
            continue
        if state is None:
            continue
        if training and state.training != training:
            foreign.append(path.name)
        else:
            states.append(state)
    if foreign:
        logger.warning(
            f"{folder}: {shown(foreign, 5)} are of an earlier training in this folder and are left "
            "out."
        )
    return states, damaged


def _named(folder: Path) -> Path | None:
    """The file that ``last_checkpoint`` names, if there is one."""
    tag = folder / TAG
    name = tag.read_text(errors="replace").strip() if tag.is_file() else ""
    path = folder / Path(name).name
    return path if name and path.is_file() else None


def _said_by(tag: Path) -> str:
    if not tag.is_file():
        return f"there is no {TAG}"
    name = tag.read_text(errors="replace").strip()
    return f"{TAG} names {name!r:.80}" if name else f"{TAG} is empty"


def _problem(path: Path) -> str:
    """Why a checkpoint cannot be continued from; empty if it can."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # compares its checksums
                return f"Checkpoint {path} is damaged and left out."
    with torch.no_grad():
        broken = list(not_finite(read_weights(path, mapped=True)))
    if broken:
        return (
            f"Checkpoint {path} is left out: the training had diverged, {len(broken)} tensors "
            f"({shown(broken, 3)}) are not finite."
        )
    return ""
