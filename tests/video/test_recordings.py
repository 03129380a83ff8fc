"""Recordings as cameras and recorders leave them: every frame once, in order, with its time."""

import gzip
import os
import zipfile
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.video import Frame, VideoFile, open_frames
from boxmask_vid.video.frame_index import NotSeekable
from support.numbered_videos import (
    CELL,
    HEIGHT,
    WIDTH,
    damage_packet,
    number_of,
    numbered,
    set_matrix,
    write_numbered,
)


def read(source: object) -> tuple[list[Frame], str]:
    """All frames, and the sentence at the end."""
    frames: list[Frame] = []
    try:
        frames.extend(open_frames(source).frames())
    except InputError as error:
        return frames, str(error)
    return frames, ""


def shown(frames: list[Frame]) -> list[int]:
    return [number_of(frame.image) for frame in frames]


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video")])
def test_joined_recordings_are_read_one_after_the_other(tmp_path, suffix, codec):
    first = write_numbered(tmp_path / f"a.{suffix}", range(20), codec=codec)
    second = write_numbered(tmp_path / f"b.{suffix}", range(20, 32), codec=codec)
    both = joined(tmp_path / f"both.{suffix}", first, second)
    frames, sentence = read(both)
    assert shown(frames) == list(range(32))
    assert not sentence
    assert [frame.number for frame in frames] == list(range(32))
    assert [frame.time for frame in frames] == pytest.approx([i / 25 for i in range(32)], abs=0.01)
    source = open_frames(both)
    assert [number_of(image) for image in source.pick([0, 19, 20, 31])] == [0, 19, 20, 31]
    with pytest.raises(NotSeekable, match=r"time stamps of the video .* start again"):
        VideoFile(both)


@pytest.mark.parametrize("suffix", ["ts", "h264"])
def test_a_recording_that_begins_between_key_frames(tmp_path, suffix, caplog):
    whole = write_numbered(tmp_path / f"a.{suffix}", range(40), options={"bf": "0", "g": "12"})
    with av.open(str(whole)) as container:
        starts = [packet.pos for packet in container.demux(video=0) if packet.size]
    cut = tmp_path / f"cut.{suffix}"
    place = starts[5] // 188 * 188 if suffix == "ts" else starts[5]
    tables = whole.read_bytes()[: 3 * 188] if suffix == "ts" else b""
    cut.write_bytes(tables + whole.read_bytes()[place:])
    frames, sentence = read(cut)
    assert shown(frames) == list(range(12, 40))
    assert (frames[0].number, frames[0].time, sentence) == (0, 0, "")
    assert "begins between key frames" in caplog.text
    assert [number_of(image) for image in open_frames(cut).pick([0, 27])] == [12, 39]


@pytest.mark.parametrize(("name", "lost"), [("v.mp4", 13), ("v.avi", 13)])
def test_a_damaged_packet_costs_frames_not_the_rest(tmp_path, name, lost):
    codec = "mjpeg" if name.endswith("avi") else "libx264"
    path = write_numbered(tmp_path / name, range(40), codec=codec, options={"bf": "0", "g": "10"})
    damage_packet(path, lost)
    frames, sentence = read(path)
    numbers = [frame.number for frame in frames]
    missing = sorted(set(range(40)) - set(numbers))
    assert missing == ([lost] if missing else [])
    assert numbers[-1] == 39
    behind = [frame for frame in frames if frame.number < lost or frame.number >= 20]
    assert shown(behind) == [frame.number for frame in behind]
    assert all(frame.time == pytest.approx(frame.number / 25) for frame in frames)
    assert not missing or f"1 of the 40 frames of the video {path}" in sentence
    assert not missing or f"the first is frame {lost}" in sentence
    picked = open_frames(path).pick([lost - 1, lost, 39])
    assert [number_of(image) for image in picked][::2] == [lost - 1, 39]


def test_b_frames_in_avi_are_in_the_order_in_which_they_are_shown(tmp_path):
    path = write_numbered(tmp_path / "v.avi", range(40))
    source = open_frames(path)
    frames = list(source.frames())
    assert shown(frames) == list(range(40))
    assert [frame.time for frame in frames] == pytest.approx([i / 25 for i in range(40)])
    assert [number_of(image) for image in source.pick([1, 2, 3])] == [1, 2, 3]
    with pytest.raises(NotSeekable, match="not those at which frames are shown"):
        VideoFile(path)


def test_times_that_jump_are_said(tmp_path, caplog):
    whole = write_numbered(tmp_path / "v.ts", range(40), options={"bf": "0", "g": "5"})
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    start, end = (packets[index].pos // 188 * 188 for index in (15, 18))
    whole.write_bytes(data[:start] + data[end:])  # as in bad weather
    frames, _ = read(whole)
    assert shown(frames)[-1] == 39
    assert frames[-1].time == pytest.approx(39 / 25, abs=0.001)
    assert "jump in 1 places, the first behind frame 14" in caplog.text


def test_frames_of_a_variable_rate_have_their_times(tmp_path):
    ticks = [0, 1, 2, 30, 31, 90]
    path = write_numbered(tmp_path / "v.mp4", range(6), ticks=ticks)
    source = open_frames(path)
    frames = list(source.frames())
    assert [frame.time for frame in frames] == pytest.approx([tick / 25 for tick in ticks])
    assert not source.is_constant
    assert open_frames(write_numbered(tmp_path / "w.mkv", range(9), rate=30)).is_constant


@pytest.mark.parametrize(
    "matrix", [(a, 0, 0, d) for a, d in product((1, -1), repeat=2)]
    + [(0, b, c, 0) for b, c in product((1, -1), repeat=2)],
)  # fmt: skip
def test_every_display_matrix(tmp_path, matrix):
    path = write_numbered(tmp_path / "v.mp4", [37])
    plain = next(iter(open_frames(path)))
    set_matrix(path, *matrix)
    a, b, c, d = matrix
    expected = np.empty_like(plain if a else plain.transpose(1, 0, 2))
    rows, columns = expected.shape[:2]
    for y, x in product(range(HEIGHT), range(WIDTH)):
        across = a * x + c * y - (min(a, c) < 0)  # where browsers show this pixel
        down = b * x + d * y - (min(b, d) < 0)
        expected[down % rows, across % columns] = plain[y, x]
    assert np.array_equal(next(iter(open_frames(path))), expected)


def test_the_aspect_of_pixels_is_that_of_the_shown_picture(tmp_path):
    path = write_numbered(tmp_path / "v.mp4", range(3), aspect=Fraction(16, 15))
    assert open_frames(path).pixel_aspect == Fraction(16, 15)
    set_matrix(path, 0, 1, -1, 0)
    assert open_frames(path).pixel_aspect == Fraction(15, 16)
    raw = write_numbered(tmp_path / "v.h264", range(3), aspect=Fraction(12, 11))
    assert open_frames(raw).pixel_aspect == Fraction(12, 11)


def add_cover(path: Path, video: Path | None, *, sound: bool = False) -> Path:
    """A file with a picture as its first stream, and perhaps a video and sound."""
    with av.open(str(path), "w") as container:
        codec, pixels = ("png", "rgb24") if path.suffix == ".mp4" else ("mjpeg", "yuvj420p")
        cover = container.add_stream(codec, rate=1, width=32, height=32, pix_fmt=pixels)
        cover.disposition = av.stream.Disposition.attached_pic
        others = []
        source = av.open(str(video)) if video else None
        if source:
            others.append(container.add_stream_from_template(source.streams.video[0]))
        audio = container.add_stream("aac", rate=8000) if sound else None
        red = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 255, np.uint8), format="bgr24")
        container.mux(cover.encode(red))
        container.mux(cover.encode())
        if audio:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate = 8000
            container.mux(audio.encode(samples))
            container.mux(audio.encode())
        if source:
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = others[0]
                    container.mux(packet)
            source.close()
    return path


@pytest.mark.parametrize("written_as", ["mp4", "h264"])
def test_recorders_give_videos_other_endings(tmp_path, written_as):
    video = write_numbered(tmp_path / f"v.{written_as}", range(10))
    assert shown(read(video.rename(tmp_path / "camera.dav"))[0]) == list(range(10))


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "transfer"),
    [
        ("v.mp4", "libx264", "yuv420p10le", None),
        ("hdr.mp4", "libx265", "yuv420p10le", 16),  # PQ of BT.2020, as telephones record HDR
        ("v.mov", "prores_ks", "yuv422p10le", None),
    ],
)
def test_ten_bits_of_a_colour_are_read_as_eight(tmp_path, name, codec, pixels, transfer):
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        if transfer:
            stream.codec_context.color_trc = transfer
            stream.codec_context.color_primaries = stream.codec_context.colorspace = 9
        for number in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), "bgr24")))
        container.mux(stream.encode())
    frames, sentence = read(tmp_path / name)
    assert (shown(frames), sentence) == (list(range(10)), "")
    assert frames[0].image.dtype == np.uint8
    assert abs(int(np.median(frames[0].image[CELL:])) - 100) < 4  # the grey of the frame


def test_data_beside_the_video_are_left_alone(tmp_path):
    """Cameras record positions in a stream of their own, before that of the video."""
    with av.open(str(tmp_path / "v.ts"), "w") as container:
        positions = container.add_data_stream(None)
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(10):
            packet = av.Packet(b"46.9 N 7.4 E")
            packet.stream, packet.time_base = positions, Fraction(1, 25)
            packet.pts = packet.dts = number
            container.mux(packet)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), "bgr24")))
        container.mux(stream.encode())
    frames, sentence = read(tmp_path / "v.ts")
    assert (shown(frames), sentence) == (list(range(10)), "")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_cover_is_not_the_video(tmp_path, suffix):
    video = write_numbered(tmp_path / "v.mp4", range(10))
    frames, sentence = read(add_cover(tmp_path / f"covered.{suffix}", video))
    assert (shown(frames), sentence) == (list(range(10)), "")


def test_a_song_is_no_video(tmp_path):
    song = add_cover(tmp_path / "song.mp4", None, sound=True)
    with pytest.raises(InputError, match=r"song\.mp4 has sound and a cover picture but no video"):
        open_frames(song)


def unfinished(path: Path) -> None:
    write_numbered(path, range(5))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"moov") - 4])


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v.mp4", "video")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (unfinished, r"was never finished \(moov atom not found\)"),
        (b"", r"it is empty \(0 bytes\)"),
        (b"\n<!DOCTYPE html><html><body>Sign in</body>", "page of a web site"),
        (b'{"error": "forbidden"}', "it is a text"),
        (bytes(9000), "zeros only"),
        (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "macOS's notes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (zipped, "zip archive"),
        (gzip.compress(b"video", mtime=0), "gzip archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "7z archive"),
        (b"Rar!\x1a\x07\x01\x00", "RAR archive"),
        (b"%PDF-1.7\n", "PDF document"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"picture \(heic\); save it as JPEG"),
        (b"#EXTM3U\n#EXTINF:5,\nv_0.ts\n", "playlist, which names the video"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "playlist"),
        (b"no video at all", "is not a video that FFmpeg can read"),
    ],
)
def test_the_reason_why_a_file_is_no_video(tmp_path, content, reason):
    path = tmp_path / "v.mp4"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with pytest.raises(InputError, match=rf"v\.mp4 .*{reason}"):
        open_frames(path)


def test_numbered_frames_are_told_apart():
    assert [number_of(numbered(index)) for index in range(64)] == list(range(64))


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv"])
def test_titles_in_any_encoding_do_no_harm(tmp_path, suffix):
    """Cameras write GBK, Latin-1 and whatever is in their memory."""
    title = "Caf\u00e9 7"
    path = tmp_path / f"titled.{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.metadata["title"] = title
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert title.encode() in content
    path.write_bytes(content.replace(title.encode(), b"Caf\xe9\xff 7"))
    assert [number_of(frame) for frame in open_frames(path)] == [0, 1, 2]


NAMES = ["10:30.mp4", "concat:x", "data:a.mp4", "-i.mp4", "%03d.mp4", "a|b.mp4", "x.mp4#t=3"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"caf\xe9.mp4")])
def test_names_are_no_addresses(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_numbered(tmp_path / "plain.mp4", range(3)).rename(tmp_path / name)
    assert [number_of(frame) for frame in open_frames(name)] == [0, 1, 2]


def test_joined_files_whose_name_has_a_colon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = [
        write_numbered(tmp_path / "plain.mkv", range(9), codec=codec).read_bytes()
        for codec in ("libx264", "mpeg4")
    ]
    Path("10:30.mkv").write_bytes(b"".join(parts))
    with pytest.raises(InputError, match="which was encoded otherwise"):
        open_frames("10:30.mkv")


def test_a_piece_of_a_stream_is_called_so(tmp_path):
    with av.open(
        str(tmp_path / "a.mp4"), "w", options={"movflags": "frag_keyframe+empty_moov"}
    ) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered(0), format="bgr24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.m4s").write_bytes(content[content.index(b"moof") - 4 :])
    with pytest.raises(InputError, match=r"a piece of a stream .* put the init segment before it"):
        open_frames(tmp_path / "a.m4s")
