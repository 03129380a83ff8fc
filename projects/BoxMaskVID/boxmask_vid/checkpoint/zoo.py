"""Weights by name, for ``MODEL.WEIGHTS`` and all else that Detectron2's ``PathManager`` opens.

- ``boxmask_vid://selsa_R_50_DC5_7e``: a checkpoint of mmtracking's model zoo, one of
  ``CHECKPOINTS``; the ending ``_DC5_7e`` may be left out.
- ``torchvision://resnet50`` or ``torchvision://resnet50?weights=IMAGENET1K_V2``: a classification
  model of torchvision, for its backbones. Detectron2's own checkpointer cuts off what follows a
  question mark; it takes ``torchvision://resnet50/IMAGENET1K_V2``.

A file is downloaded when it is first used, checked, converted, and kept converted in the folder
``boxmask_vid`` of fvcore's cache. The environment variable ``BOXMASK_VID_ZOO`` names a folder or an
address that has the files in place of the published addresses.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from detectron2.utils import comm
from detectron2.utils.file_io import PathManager
from fvcore.common.file_io import file_lock
from iopath.common.file_io import PathHandler

from ..config import add_boxmask_vid_config, get_config_file, model_configs
from ..errors import InputError, suggestion

logger = logging.getLogger(__name__)

CHECKPOINT_PREFIX, BACKBONE_PREFIX = PREFIXES = "boxmask_vid://", "torchvision://"
HOST = "https://download.openmmlab.com/mmtracking/vid"
SUFFIX = "_DC5_7e"  # of all names; may be left out
ZOO = "BOXMASK_VID_ZOO"


@dataclass(frozen=True)
class Weights:
    """A published file of weights.

    Attributes:
        name: name of the converted file.
        url: published address.
        config: name of the config that they belong to, for ``get_config_file``; of a backbone the
            name of the model in torchvision.
        ap50: published AP50 on ImageNet VID val; None for a backbone.
    """

    name: str
    url: str
    config: str
    ap50: float | None = None

    @property
    def file_name(self) -> str:
        """Published name of the file."""
        return self.url.rpartition("/")[-1]

    @property
    def digits(self) -> str:
        """First digits of the SHA-256 of the file, from its name."""
        return Path(self.file_name).stem.rpartition("-")[-1]


def _checkpoint(name: str, run: str, ap50: float) -> Weights:
    method = "temporal_roi_align" if "troi" in name else "selsa"
    experiment = run.rsplit("_", 2)[0]
    return Weights(
        name, f"{HOST}/{method}/{experiment}/{run}.pth", f"ImageNetVID/{name}.yaml", ap50
    )


# docs/TRAIN.md shows this table
CHECKPOINTS = {
    name: _checkpoint(name, run, ap50)
    for name, run, ap50 in (
        (
            "selsa_R_50_DC5_7e",
            "selsa_faster_rcnn_r50_dc5_1x_imagenetvid_20201227_204835-2f5a4952",
            78.4,
        ),
        (
            "selsa_R_101_DC5_7e",
            "selsa_faster_rcnn_r101_dc5_1x_imagenetvid_20201218_172724-aa961bcc",
            81.5,
        ),
        (
            "selsa_X_101_64x4d_DC5_7e",
            "selsa_faster_rcnn_x101_dc5_1x_imagenetvid_20210825_205641-10252965",
            83.1,
        ),
        (
            "selsa_troi_R_50_DC5_7e",
            "selsa_troialign_faster_rcnn_r50_dc5_7e_imagenetvid_20210820_162714-939fd657",
            79.8,
        ),
        (
            "selsa_troi_R_101_DC5_7e",
            "selsa_troialign_faster_rcnn_r101_dc5_7e_imagenetvid_20210822_111621-22cb96b9",
            82.6,
        ),
        (
            "selsa_troi_X_101_64x4d_DC5_7e",
            "selsa_troialign_faster_rcnn_x101_dc5_7e_imagenetvid_20210822_164036-4471ac42",
            84.1,
        ),
    )
}
PUBLISHED_START = "IMAGENET1K_V1"  # the published checkpoints started from these


def find_checkpoint(name: str) -> Weights:
    """Entry of ``CHECKPOINTS``, by its name with or without the ending ``_DC5_7e``.

    Raises:
        InputError: if there is none; the message has the closest names.
    """
    found = CHECKPOINTS.get(name) or CHECKPOINTS.get(name + SUFFIX)
    if found is not None:
        return found
    configs = model_configs()
    if config := configs.get(name) or configs.get(name + SUFFIX):
        raise InputError(
            f"There are no published weights of {name}, only its config: train it, then give "
            f"--config-file {config} and your weights as MODEL.WEIGHTS."
        )
    raise InputError(f"There are no published weights '{name}': {suggestion(name, CHECKPOINTS)}")


def find_backbone(name: str) -> Weights:
    """Backbone of torchvision, e.g. ``resnet50`` or ``resnet50?weights=IMAGENET1K_V2``.

    Without a version it is ``PUBLISHED_START``, or torchvision's first where it has no such.

    Raises:
        InputError: if torchvision has no such model, or no such weights of it.
    """
    import torchvision

    model, version = split_backbone(name)
    models = torchvision.models.list_models(module=torchvision.models)
    if model not in models:
        raise InputError(
            f"torchvision has no classification model '{model}': {suggestion(model, models)}"
        )
    versions = torchvision.models.get_model_weights(model).__members__
    version = version or (PUBLISHED_START if PUBLISHED_START in versions else next(iter(versions)))
    if version not in versions:
        raise InputError(
            f"torchvision has no weights '{version}' of {model}: {suggestion(version, versions)}"
        )
    return Weights(f"torchvision_{model}-{version}", versions[version].url, model)


def split_backbone(name: str) -> tuple[str, str]:
    """Model and version of a name; the version may be empty."""
    model, _, version = re.sub(r"\?weights=", "/", name, count=1).partition("/")
    return model, version


def local_file(path: str) -> Path:
    """Converted weights of a name with one of ``PREFIXES``; fetched where they are not cached.

    Of several processes that ask at once, one fetches them and the others wait.

    Raises:
        InputError: if there is no such name; if the file cannot be fetched, is not the published
            one, or cannot be converted; if the cache cannot be written.
    """
    prefix, name = path[: path.index("://") + 3], path[path.index("://") + 3 :]
    weights = (find_checkpoint if prefix == CHECKPOINT_PREFIX else find_backbone)(name)
    converted = cached_file(weights)
    if not converted.is_file():
        with _errors_of_cache(converted.parent), file_lock(str(converted)):
            if not converted.is_file():
                _fetch(weights, converted)
    return converted


def fetch_once(path: str) -> None:
    """Fetch weights on the first rank of each machine while its others wait; all ranks call this.

    Args:
        path: ``MODEL.WEIGHTS``; nothing happens where it has none of ``PREFIXES``.

    Raises:
        InputError: as :func:`local_file`, on all ranks.
    """
    if not path.startswith(PREFIXES):
        return
    problem = ""
    if comm.get_local_rank() == 0:
        try:
            local_file(path)
        except InputError as error:
            problem = str(error)
    problems = list(filter(None, comm.all_gather(problem)))
    if problems:
        raise InputError(problems[0])


def cached_file(weights: Weights) -> Path:
    """Path that a converted file has when it has been fetched."""
    return cache_folder() / f"{weights.name}-{weights.digits}.pth"


def cache_folder() -> Path:
    """Folder of converted weights, in fvcore's cache: ``$FVCORE_CACHE``.

    fvcore's own function goes to a folder that all users share where the cache cannot be written,
    and so misses what is in one that can only be read.
    """
    return (
        Path(os.environ.get("FVCORE_CACHE", "~/.torch/fvcore_cache")).expanduser() / "boxmask_vid"
    )


class ZooHandler(PathHandler):
    """Resolves names with one of ``PREFIXES`` to the local file of the converted weights."""

    def _get_supported_prefixes(self) -> list[str]:
        return list(PREFIXES)

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        return str(local_file(path))

    def _open(
        self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any
    ) -> IO[str] | IO[bytes]:
        if mode not in ("r", "rb"):
            raise ValueError(f"{path} can only be read, not opened with mode '{mode}'")
        return open(local_file(path), mode, buffering)


PathManager.register_handler(ZooHandler())


def _fetch(weights: Weights, converted: Path) -> None:
    from .download import digits_of, download, wrong_digits

    mirror = os.environ.get(ZOO, "")
    if mirror and "://" not in mirror:
        original = Path(mirror).expanduser() / weights.file_name
        if not (original.is_file() and os.access(original, os.R_OK)):
            raise InputError(
                f"{original} not found or not readable: download it from {weights.url} into the "
                f"folder that {ZOO} names, or unset {ZOO}."
            )
        found = digits_of(original, len(weights.digits))
        if found != weights.digits:
            raise wrong_digits(str(original), found, weights.digits)
        _convert(original, converted, weights.config)
    else:
        part = converted.with_name(f"{weights.file_name}.part")
        url = f"{mirror.rstrip('/')}/{weights.file_name}" if mirror else weights.url
        download(url, part, weights.digits)
        _convert(part, converted, weights.config)
        part.unlink()
    logger.info(f"Weights {weights.name} are in {converted}")


def _convert(original: Path, converted: Path, config: str) -> None:
    from .mmtracking import convert_checkpoint
    from .torchvision import convert_torchvision_file

    try:
        if config.endswith(".yaml"):
            convert_checkpoint(original, converted, _untrained(config))
        else:
            convert_torchvision_file(original, converted, config)
    except InputError as error:
        if isinstance(error.__cause__, OSError):  # the cache, of which the caller says more
            raise error.__cause__ from None
        raise


def _untrained(config: str) -> torch.nn.Module:
    """The model of a config: names and shapes without numbers."""
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    cfg = get_cfg()
    add_boxmask_vid_config(cfg)
    cfg.merge_from_file(get_config_file(config))
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        return build_model(cfg)


@contextmanager
def _errors_of_cache(folder: Path) -> Iterator[None]:
    from portalocker import LockException

    try:
        yield
    except LockException as error:
        raise InputError(
            f"The lock of another process in {folder} did not open ({error}): end that process."
        ) from error
    except OSError as error:
        raise InputError(
            f"The cache {folder} cannot be written ({error.strerror}): set FVCORE_CACHE to another "
            "folder, or make room or a right to write there."
        ) from error
