"""Norm layers of a config that cannot be built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from detectron2.config import CfgNode, get_cfg
from detectron2.layers import get_norm

from ..errors import InputError, quoted


def check_norms(cfg: CfgNode) -> None:
    """Raise InputError if Detectron2 has no norm of a name in the config."""
    for key, name in _norms(cfg).items():
        try:
            get_norm(name, 32)
        except KeyError as error:
            raise InputError(
                f"{key} is {quoted(name)}, which Detectron2 does not have: use BN, GN or FrozenBN."
            ) from error


@contextmanager
def channels_explained(cfg: CfgNode) -> Iterator[None]:
    """Raise InputError in place of PyTorch's error about channels that group norm cannot divide."""
    try:
        yield
    except ValueError as error:
        if "num_groups" not in str(error):
            raise
        keys = " or ".join(key for key, name in _norms(cfg).items() if name == "GN")
        raise InputError(
            f"{keys} is GN, which divides the channels of each layer into 32 groups, and a layer "
            f"has another number of channels ({error}): use BN or LN there, or multiples of 32."
        ) from error


def _norms(cfg: CfgNode) -> dict[str, str]:
    """Names of norms by their keys, without those that Detectron2 has by default."""
    defaults, norms = get_cfg().MODEL, {}
    for key, group in defaults.items():
        if isinstance(group, CfgNode) and "NORM" in group and cfg.MODEL[key].NORM != group.NORM:
            norms[f"MODEL.{key}.NORM"] = cfg.MODEL[key].NORM
    return norms
