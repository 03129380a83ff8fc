"""A quick and quiet import of PyTorch, torchvision and Detectron2."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

# Detectron2 calls functions of PyTorch as its first versions had them.
LIBRARY_WARNINGS = (
    r"`torch\.jit\.\w+` is (deprecated|not supported)",
    r"torch\.meshgrid: in an upcoming release",
    r"`?torch\.cuda\.amp\.\w+",
    r".*pkg_resources",
)
LOGGERS = ("torch.fx._symbolic_trace", "torch.utils.cpp_extension")


def ignore_library_warnings() -> None:
    """Keep warnings that libraries give about each other off the screen of a command."""
    for message in LIBRARY_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Do something without these warnings."""
    with warnings.catch_warnings():
        ignore_library_warnings()
        yield


@contextmanager
def quick_and_quiet() -> Iterator[None]:
    """Import libraries without their warnings about each other, and without PyTorch's compiler.

    The latter takes two fifths of the time of ``import boxmask_vid``. torchvision imports it for
    one function, which is called in deterministic training on GPUs only; that imports it then.
    """
    with quiet():
        if "torchvision" not in sys.modules and "torch._dynamo" not in sys.modules:
            _import_torchvision()
        try:
            yield
        except AttributeError as error:
            if "PIL.Image" not in str(error):
                raise
            raise ImportError(
                f"This Detectron2 needs an older Pillow ({error}): pip install 'pillow<10', or a "
                "newer Detectron2, see docs/INSTALL.md."
            ) from error


def _import_torchvision() -> None:
    import torch  # noqa: F401

    names = ("torch._dynamo", "torch._dynamo.utils")
    sys.modules.update({name: _Postponed(name) for name in names})
    try:
        import torchvision  # noqa: F401
    except ImportError:  # missing, or it needs more of the compiler; imported again in the open
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    finally:
        for name in names:
            del sys.modules[name]


class _Postponed(ModuleType):
    """A module whose functions import the module of their name when they are called."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)

        def function(*args: object, **kwargs: object) -> object:
            return getattr(importlib.import_module(self.__name__), name)(*args, **kwargs)

        return function
