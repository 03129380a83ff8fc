"""Packaging of BoxMaskVID: the package under projects/, with configs/ inside it.

It imports no torch, so that it can be built anywhere, and makes no links.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

PROJECT = "projects/BoxMaskVID"
INIT = Path(PROJECT, "boxmask_vid/__init__.py").read_text(encoding="utf-8")

setup(
    name="boxmask-vid",
    version=re.search(r'^__version__ = "(.+)"$', INIT, re.MULTILINE)[1],
    description="Video object detection for Detectron2: SELSA, Temporal RoI Align and BoxMask",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # The lowest versions are those that tests were run with, on Python 3.10.
    python_requires=">=3.10",
    # The configs stay at the top level of the repository and are shipped inside the package.
    packages=[*find_packages(PROJECT), "boxmask_vid.configs"],
    package_dir={"": PROJECT, "boxmask_vid.configs": "configs"},
    package_data={
        "boxmask_vid.configs": ["*.yaml", "*/*.yaml"],
        "boxmask_vid.apps.report": ["templates/*"],
        "boxmask_vid.apps.video_demo": ["page/*"],
    },
    install_requires=[
        "torch>=2.6",  # with 2.4 embedding_bag has no gradient in some layers
        "torchvision>=0.21",
        "detectron2>=0.6",
        "fvcore>=0.1.5.post20221221",
        "pycocotools>=2.0.7",
        "opencv-python-headless>=4.5.5",
        # exact frames of video files, see boxmask_vid/video/video_file.py; up to 17.0 it crashes
        "av>=17.1",
        "iopath>=0.1.9",
        "jinja2>=3.1.2",  # the page of tools/analyze_detections.py
    ],
    entry_points={"console_scripts": ["boxmask-vid = boxmask_vid.cli:main"]},
    extras_require={
        # tools/export_model.py: PyTorch writes ONNX with the one, the other runs what was written
        "export": ["onnx>=1.16", "onnxruntime>=1.17"],
        # Temporal RoI Align takes half of its time on CPUs
        "fast": ["numba>=0.60"],
        # the page of demo.py --serve; Flask's own server is not made for use
        "serve": ["flask>=3.1", "waitress>=3.0"],
        # nbclient and ipykernel run the notebook, playwright uses the page in a browser,
        # supervision reads results as those of Detectron2 (docs/DETECT.md)
        "test": [
            *("pytest", "pytest-xdist", "nbclient", "ipykernel", "playwright", "pre-commit"),
            *("ruff", "supervision", "mypy", "types-PyYAML", "types-tabulate", "types-tqdm"),
        ],
    },
)
