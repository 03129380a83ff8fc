"""BoxMaskVID: video object detection for Detectron2.

SELSA (arXiv 1907.06390), Temporal RoI Align (arXiv 2109.03495) and BoxMask (arXiv 2210.06008).
``import boxmask_vid`` registers all models and data sets with Detectron2.
"""

from .imports import quick_and_quiet

with quick_and_quiet():
    try:
        import detectron2  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "boxmask_vid needs Detectron2, which the package index does not have: run "
            "'make setup', or see projects/BoxMaskVID/docs/INSTALL.md."
        ) from error

    from . import checkpoint, data, modeling, video  # noqa: F401
    from .config import add_boxmask_vid_config, get_config_file

__version__ = "0.2.0"
__all__ = ["add_boxmask_vid_config", "get_config_file"]
