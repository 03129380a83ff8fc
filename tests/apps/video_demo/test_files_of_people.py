"""Videos as people have them, from ../shared/cases: demo.py loses and guesses nothing."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.video import open_frames
from support.demo_runs import annotate, write_weights

pytestmark = pytest.mark.needs_shared


@dataclass(frozen=True)
class Case:
    """An input of ../shared/cases/videos and the right result."""

    name: str
    count: int  # frames in the JSON lines
    size: tuple[int, int] | None = (320, 240)  # of the annotated video
    sentence: str = ""  # what the error says
    last: float | None = None  # time of the last frame; default: 25 frames a second
    drawn: int | None = None  # frames in the annotated video; default: all


CASES = [
    Case("base.mp4", 50),
    Case("turned_mirror.mp4", 50),
    Case("turned_90.mp4", 50, (240, 320)),
    Case("cover_first.mp4", 50),
    Case("restart.ts", 40),
    Case("midgop.ts", 50),
    Case("27_unpadded/clip", 12),
    Case("27_unpadded/clip/*.png", 12),
    Case("27_unpadded/frame_of_clip", 12),
    Case("27_unpadded/frame_of_clip/*.png", 12),
    Case("vfr.mp4", 48, last=3.833333),
    Case("pal_interlaced.mp4", 25, (720, 576)),
    Case("odd.avi", 25, (211, 159)),
    Case("change.h264", 50, sentence="240 x 320 pixels follows .* 320 x 240", drawn=25),
    Case("mixed_sizes", 10, sentence="400 x 300 pixels follows .* 320 x 240", drawn=5),
    Case("anim.png", 10, (160, 120), last=0.9),
    Case("card/clip.mp4", 50),
    Case("card/damaged.mp4", 49, sentence="1 of the 50 frames .* frame 13", last=1.96),
    Case("card/empty.mp4", 0, None, r"it is empty \(0 bytes\)"),
    Case("card/no_moov.mp4", 0, None, "never finished .*moov atom not found"),
    Case("card/page.mp4", 0, None, "page of a web site"),
    Case("card/._clip.mp4", 0, None, "macOS's notes"),
    Case("card", 0, None, "no images but videos"),
    Case("card/*.mp4", 0, None, "matches videos"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    return write_weights(tmp_path_factory.mktemp("weights") / "model.pth")


@pytest.fixture
def videos(shared) -> Path:
    return shared / "cases/videos"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table(weights, videos, tmp_path, case):
    made = annotate(weights, tmp_path / "out", videos / case.name, "--online")
    assert len(made.records) == case.count
    assert made.size == case.size
    assert re.search(case.sentence or "^$", made.sentence), made.sentence
    if case.count:
        last = (case.count - 1) / 25 if case.last is None else case.last
        assert made.read_times[0] == 0
        assert made.read_times[-1] == pytest.approx(last, abs=0.001)
        assert all(np.diff(made.read_times) > 0)
        assert all(np.diff(made.numbers) > 0)
        drawn = case.drawn or case.count
        assert made.times == pytest.approx(made.read_times[:drawn], abs=0.001)


def pictures(source: Path) -> list[np.ndarray]:
    return [frame.astype(int) for frame in open_frames(source)]


def test_upright_and_in_shape(weights, videos, tmp_path):
    plain, mirrored = (pictures(videos / f"{name}.mp4") for name in ("base", "turned_mirror"))
    assert all(np.array_equal(a, b[:, ::-1]) for a, b in zip(plain, mirrored, strict=True))
    turned = pictures(videos / "turned_90.mp4")
    assert all(np.array_equal(np.rot90(a, -1), b) for a, b in zip(plain, turned, strict=True))
    made = annotate(weights, tmp_path / "out", videos / "pal_interlaced.mp4", "--online")
    assert made.pixel_aspect == Fraction(16, 15)


def test_every_picture_is_the_right_one(videos):
    for name in ("clip", "frame_of_clip"):
        for source in (f"27_unpadded/{name}", f"27_unpadded/{name}/*.png"):
            found = pictures(videos / source)
            right = [20 + 6 * number for number in range(12)]  # where the red box begins
            assert [int(np.argmax(frame[80, :, 1] < 100)) for frame in found] == right
    plain = pictures(videos / "base.mp4")
    joined = pictures(videos / "restart.ts")
    assert all(np.abs(a - b).mean() < 8 for a, b in zip(plain, joined[:25], strict=False))
    assert len({frame.mean().round() for frame in joined[25:]}) == 1  # a blue recording
    damaged = []
    with pytest.raises(InputError, match="1 of the 50 frames"):
        damaged.extend(open_frames(videos / "card/damaged.mp4").frames())
    assert set(range(50)) - {frame.number for frame in damaged} == {13}
