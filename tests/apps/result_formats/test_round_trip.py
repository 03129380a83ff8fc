"""Every format: what is written is read back by the converters to the same boxes."""

import pytest

from boxmask_vid.apps.result_formats import FORMATS
from support.result_formats import CONVERTERS, assert_same, random_video, read_back, write_media

UNTRACKED = {"cvat": "single", "youtube-vis": "single", "label-studio": "single"}


def image_files(name: str, length: int) -> list[str]:
    return [f"{name}/frame_{index + 1:04d}.png" for index in range(length)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tracks", [True, False], ids=["tracks", "no tracks"])
@pytest.mark.parametrize("in_files", [True, False], ids=["video file", "images"])
@pytest.mark.parametrize("format", CONVERTERS)
def test_random_boxes(tmp_path, format, in_files, tracks, seed):
    videos = [
        random_video(
            *(seed * 10 + number, name),
            length=length,
            tracks=tracks,
            files=None if in_files else image_files(name, length),
            video_file=f"{name}.mp4" if in_files else None,
            fps=12.5 if in_files else None,
            video_id=number + 1,
        )
        for number, (name, length) in enumerate({"clip_a": 7, "v1.2 b": 1, "c": 12}.items())
    ]
    path = tmp_path / "labels"
    if FORMATS[format].takes_several:
        path = path.with_suffix(FORMATS[format].suffix)
    FORMATS[format].write(path, videos)
    for video in videos:
        write_media(tmp_path / "media", video)
    content = read_back(format, path, tmp_path / "media", in_files=in_files)
    assert len(content["videos"]) == len(videos)
    for video in videos:
        assert_same(content, video, tracks="same" if tracks else UNTRACKED.get(format, "none"))
