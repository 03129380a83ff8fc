"""Every page: links, names of options, keys and files, and each command.

Commands run in a folder with small files of the names that the pages use. What a command needs
less of is in ``SMALLER``; what runs in another test is in ``ELSEWHERE``, and what needs more than
this machine in ``OUTSIDE``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from detectron2.config import CfgNode, get_cfg
from torch.distributed import run as torchrun

from boxmask_vid import add_boxmask_vid_config, cli
from boxmask_vid.video import open_frames
from support.page_files import write_page_files
from support.pages import (
    anchors,
    code_blocks,
    commands,
    inline_code,
    inline_commands,
    links,
    pages,
    text_of,
)
from support.paths import CONFIGS, PROJECT, REPOSITORY
from support.screen import foreign_lines

PAGES = pages()
SCRIPTS = {
    path.name: path
    for folder in (REPOSITORY / "datasets", PROJECT, PROJECT / "tools")
    for path in folder.glob("*.py")
}
CHANGELOG = Path("CHANGELOG.md")  # names what was renamed or removed

SMALLER = {  # regular expressions
    r"--without WinogradChannelMapper ": "",  # the small model has fewer channels
    r"--num-gpus 1 ": "",
    r"--videos \d+ --frames \d+( --val-videos 16 --val-frames 16)?": "--videos 4 --frames 3",
    r"SOLVER.MAX_ITER \d{3,}": "SOLVER.MAX_ITER 3",
    r'SOLVER.STEPS "\(.*?\)"': 'SOLVER.STEPS "(1,)"',
    r"SOLVER.IMS_PER_BATCH 4": "SOLVER.IMS_PER_BATCH 1",
    r"(tools/benchmark\.py .*?)--config-file \S+": (
        r"\1 --size 64 96 --frames 1 --warm-up 0 --config-file "
        "configs/SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml"
    ),
    r"(benchmark_scorers\.py FOLDER)( --share 0.12)?": r"\1 --share 0.0005 --per-frame 5",
    r"rtsp://\.\.\.": "video.mp4",
}
PROGRAMS = "python projects/BoxMaskVID"
# start of a command: the file of the test that runs it
ELSEWHERE = {
    "make setup": "tests/tools/test_setup_environment.py",
    "make demo": "tests/apps/test_quickstart.py",
    "make quick": "Makefile",
    "make lint": ".ci/run",
    "make test": ".ci/run",
    f"{PROGRAMS}/tools/setup_environment.py": "tests/tools/test_setup_environment.py",
    "python3 projects/BoxMaskVID/tools/setup_": "tests/tools/test_setup_environment.py",
    f"{PROGRAMS}/demo.py --serve": "tests/apps/video_demo/test_serve.py",
    f"{PROGRAMS}/demo.py --model": "tests/test_model_zoo.py",
    "boxmask-vid detect video.mp4 --model": "tests/test_packaging.py",
    f"{PROGRAMS}/train_net.py --model": "tests/test_model_zoo.py",
    f"{PROGRAMS}/tools/reproduce_": "tests/apps/ablation/test_ablation.py",
    "boxmask-vid speed --config-file configs/Fast/": "tests/apps/speed/test_model_speed.py",
    f"{PROGRAMS}/tools/benchmark_decoding.py": "tests/apps/speed/test_decoding_speed.py",
    f"{PROGRAMS}/tools/benchmark_loading.py": "tests/apps/speed/test_loading_speed.py",
    f"{PROGRAMS}/tools/convert_checkpoint.py IN.pth": "tests/checkpoint/test_mmtracking.py",
    f"{PROGRAMS}/train_net.py --config-file configs/ImageNetVID/CONFIG.yaml": (
        "tests/engine/test_evaluation.py"
    ),
    f"{PROGRAMS}/train_net.py --dataset my_train my_train.json my_frames/ ...": (
        "tests/engine/test_train_net.py"
    ),
    f"{PROGRAMS}/train_net.py --num-gpus 8 --config": "tests/engine/test_processes.py",
    f"{PROGRAMS}/train_net.py --num-gpus 8 --num": "tests/engine/test_machines.py",
    "torchrun --nproc-per-node 8": "tests/engine/test_processes.py",
    "torchrun --nnodes 2": "tests/engine/test_machines.py",
    "python -m pytest ": "pyproject.toml",
}
OUTSIDE = {
    "wget ": "there is no network",
    "unzip ": "its archive has to be downloaded",
    "sha1sum ": "its archive has to be downloaded",
    "tar ": "its archive has to be downloaded",
    "ffmpeg ": "it is not a requirement",
    "pip install ": "it changes the environment",
    "pre-commit install": "it changes the clone",
    "python3 -m venv": "the environment is there",
    "source .venv/bin/activate": "the environment is active",
}
# pages and words in blocks of Python that another test runs
PYTHON_ELSEWHERE = {
    "docs/EXTENDING.md": "tests/test_extending.py",
    "import json, av, cv2, numpy as np, onnxruntime": "tests/apps/export/test_onnx_example.py",
    "VideoPredictor.from_name(": "tests/test_model_zoo.py",
}


def run_on(page: Path) -> list[str]:
    """Commands that are run with this page; one that several pages have is run with the last."""
    lines = [line for line in commands(page) if not line.startswith((*ELSEWHERE, *OUTSIDE))]
    return [line for line in lines if LAST_PAGE[line] == page or not line.startswith("python")]


LAST_PAGE = {line: page for page in PAGES for line in commands(page)}
RUNNABLE = [page for page in PAGES if run_on(page)]
PYTHON = [
    (page, block)
    for page in PAGES
    for block in code_blocks(page, "python")
    if not any(word in f"{page} {block}" for word in PYTHON_ELSEWHERE)
]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path):
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (REPOSITORY / page.parent / name).resolve() if name else REPOSITORY / page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target.relative_to(REPOSITORY)), f"{page}: {link}"


def test_links_of_the_notebook_and_pages_that_the_code_names():
    cells = json.loads((PROJECT / "tutorial.ipynb").read_text())["cells"]
    text = "".join("".join(cell["source"]) for cell in cells)
    linked = re.findall(r"\]\(([^)#\s]+\.md)(?:#([^)\s]+))?\)", text)
    assert linked
    for name, anchor in linked:
        page = (PROJECT / name).resolve().relative_to(REPOSITORY)
        assert page in PAGES
        assert not anchor or anchor in anchors(page)
    for folder in (PROJECT, REPOSITORY / "datasets"):
        for path in folder.rglob("*.py"):
            for name in re.findall(r"\b(?:docs|datasets|projects)/[\w/]*\.md\b", path.read_text()):
                assert any(str(page).endswith(name) for page in PAGES), f"{path}: {name}"


def test_the_front_page_is_short_and_begins_with_a_picture():
    lines = text_of(Path("README.md")).splitlines()
    assert len(lines) <= 110
    assert any(line.startswith("![") for line in lines[:5])


def config_with_all_keys() -> CfgNode:
    cfg = get_cfg()
    add_boxmask_vid_config(cfg)
    return cfg


@pytest.mark.parametrize("page", [page for page in PAGES if page != CHANGELOG], ids=str)
def test_every_config_key_exists(page: Path):
    cfg, keys = config_with_all_keys(), "|".join(config_with_all_keys())
    for code in [*commands(page), *inline_code(page)]:
        for key in re.findall(rf"(?<![\w./])((?:{keys})(?:\.[A-Z_]+)+)", code):
            node = cfg
            for name in key.split("."):
                assert name in node, f"{page}: {key}"
                node = node[name]


@pytest.mark.parametrize("page", [page for page in PAGES if page != CHANGELOG], ids=str)
def test_every_file_of_the_repository_that_is_named_exists(page: Path):
    folders = (REPOSITORY, PROJECT, PROJECT / "boxmask_vid", REPOSITORY / page.parent)
    for code in inline_code(page):
        for name in re.findall(r"(?<![\w/*.])[\w.*]+/[\w/.*]+\.py\b", code):
            assert any(list(folder.glob(name)) for folder in folders), f"{page}: {name}"
        for name in re.findall(r"[\w*]+_DC5\w*\.yaml", code):
            assert list(CONFIGS.rglob(name)), f"{page}: {name}"


@functools.cache
def help_of(script: str) -> str:
    """What the script, or the sub-command of boxmask-vid, prints with ``--help``."""
    printed, argv = io.StringIO(), sys.argv
    run, sys.argv = cli.main, ["boxmask-vid", script, "--help"]
    if script in SCRIPTS:
        run = functools.partial(runpy.run_path, str(SCRIPTS[script]), run_name="__main__")
        sys.argv = [script, "--help"]
    try:
        with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
            run()
    finally:
        sys.argv = argv
    return printed.getvalue()


@pytest.mark.parametrize("page", [page for page in PAGES if page != CHANGELOG], ids=str)
def test_every_option_exists(page: Path):
    mentions = [*commands(page), *inline_code(page)]
    for mention in mentions:
        names = [name for name in re.findall(r"\b(\w+\.py)\b", mention) if name in SCRIPTS]
        names += re.findall(r"\bboxmask-vid ([a-z-]+)", mention)
        for option in re.findall(r"(?<=[\s(])--[a-z][\w-]*", mention) if names else ():
            text = help_of(names[0])
            if mention.startswith("torchrun "):  # has options of its own
                text += torchrun.get_args_parser().format_help()
            assert re.search(rf"{option}\b(?!-)", text), f"{page}: {mention}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_script_target_and_test_that_a_command_names_exists(page: Path):
    for command in [*commands(page), *inline_commands(page)]:
        words = command.split()
        for word in words:
            if re.fullmatch(r"(projects|datasets|tests)/[\w/]+(\.py)?", word):
                assert (REPOSITORY / word).exists(), f"{page}: {command}"
        if words[0] == "make":
            target = words[-1]
            makefile = (REPOSITORY / "Makefile").read_text()
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: {command}"


def test_the_lists_of_commands_that_do_not_run_here_are_needed():
    written = [command for page in PAGES for command in commands(page)]
    for start, where in ELSEWHERE.items():
        assert any(command.startswith(start) for command in written), start
        assert (REPOSITORY / where).is_file()
    for start in OUTSIDE:
        assert any(command.startswith(start) for command in written), start
    pythons = [f"{page} {block}" for page in PAGES for block in code_blocks(page, "python")]
    shown = [*written, *pythons]
    for pattern in SMALLER:
        assert any(re.search(pattern, code) for code in shown), pattern
    for word, where in PYTHON_ELSEWHERE.items():
        assert any(word in block for block in pythons), word
        assert (REPOSITORY / where).is_file()


@pytest.fixture(scope="module")
def template(tmp_path_factory, synthetic_root) -> Path:
    root = tmp_path_factory.mktemp("pages")
    write_page_files(root, synthetic_root)
    return root


@pytest.fixture
def folder(template, tmp_path) -> Path:
    copied = tmp_path / "page"
    shutil.copytree(template, copied, symlinks=True)
    return copied


def execute(words: list[str], folder: Path) -> None:
    environment = {
        **os.environ,
        "DETECTRON2_DATASETS": str(folder / "data_sets"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "FVCORE_CACHE": str(folder / "cache"),
    }
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    assert not foreign_lines(done.stderr)


def smaller(code: str) -> str:
    for pattern, replacement in SMALLER.items():
        code = re.sub(pattern, replacement, code)
    return code


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=str)
def test_the_commands_of_a_page_run(page: Path, folder: Path):
    execute(["bash", "-euxc", "\n".join(map(smaller, run_on(page)))], folder)
    if page == Path("datasets/README.md"):
        assert len(list((folder / "my/samples").glob("*.jpg"))) == 4
        assert open_frames(folder / "my/clip_a_detected.mp4").length == 4


@pytest.mark.slow
@pytest.mark.parametrize(("page", "block"), PYTHON, ids=lambda value: str(value)[:30])
def test_the_python_of_a_page_runs(page: Path, block: str, folder: Path):
    execute([sys.executable, "-c", smaller(block)], folder)


def test_examples_of_json_are_json():
    blocks = [block for page in PAGES for block in code_blocks(page, "json")]
    assert blocks
    for block in blocks:
        json.loads(block)
