"""Opening video files and addresses with FFmpeg, and the reasons why one is no video."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from ..errors import InputError
from .container_length import second_matroska, torn_matroska

# Playlists name other files: an uploaded one could show files that its author may not read.
PLAYLISTS = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}
OPENING = {"format_whitelist": ",".join(sorted(av.formats_available - PLAYLISTS))}
PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
PACKED = {
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "RAR",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
}
MP4_BOXES = (
    b"ftyp",
    b"mdat",
    b"moov",
    b"wide",
    b"free",
    b"skip",
    b"styp",
    b"sidx",
    b"moof",
    b"uuid",
)


def open_container(
    path: str | IO[bytes],
    *,
    options: Mapping[str, str] = OPENING,
    timeout: tuple[float, float] | None = None,
    shown: str | None = None,
) -> tuple[InputContainer, VideoStream]:
    """Open a file or an address, and find the stream that players show.

    ``shown`` is what messages call it.

    Raises:
        av.FFmpegError: if it cannot be opened.
        InputError: if it has no video.
    """
    # titles of cameras and old tools are in any encoding, and where a file is torn they are noise
    container = av.open(
        path, "r", options=dict(options), timeout=timeout, metadata_errors="replace"
    )
    try:
        stream = playing_stream(container, shown or str(container.name))
    except InputError:
        container.close()
        raise
    stream.codec_context.thread_count = 1  # loader workers are the parallelism
    return container, stream


def without_password(address: str) -> str:
    """An address as messages and files show it."""
    return re.sub(r"(?<=://)([^/?#:@]*):[^/?#]*@", r"\1:***@", address)


def open_file(path: str) -> tuple[InputContainer, VideoStream]:
    """Open a video file; raise InputError with the true reason if it is none."""
    try:
        return open_container(f"file:{path}", shown=path)  # 10:30.mp4 is no address
    except av.FFmpegError as error:
        raise InputError(why_no_video(path, error)) from error


def playing_stream(container: InputContainer, path: str) -> VideoStream:
    """Find the stream that players show: never a cover or another attached picture.

    Raises InputError if there is none.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & PICTURES]
    if not streams:
        if container.streams.audio:
            cover = " and a cover picture" if container.streams.video else ""
            raise InputError(f"The file {path} has sound{cover} but no video: choose a video.")
        raise InputError(f"The file {path} has no video in it: choose another file.")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise InputError(
            f"The file {path} has a video in a codec that this FFmpeg cannot decode: convert it "
            "(e.g. to H.264)."
        )
    # a cover that is not marked as one is a single frame beside a stream of many
    moving = [stream for stream in known if stream.frames != 1] or known
    best = container.streams.best("video")
    found = best if best in moving else max(moving, key=lambda stream: stream.frames)
    assert isinstance(found, VideoStream)
    return found


def other_videos(container: InputContainer, stream: VideoStream) -> int:
    """Number of further videos in a file, as those of dash cameras have; copies are counted too."""
    return sum(
        other is not stream
        and not other.disposition & PICTURES
        and other.codec_context is not None
        and other.frames != 1
        for other in container.streams.video
    )


def refuse_other_settings(path: str) -> None:
    """Check that joined Matroska or WebM files were encoded alike: FFmpeg decodes all as the first.

    Raises:
        InputError: if they were not, so that frames would be wrong.
    """
    start = second_matroska(path) or torn_matroska(path)
    if start is None:
        return
    settings = []
    for part in (f"file:{path}", f"subfile,,start,{start},end,0,,:file:{path}"):
        try:
            container, stream = open_container(part)
        except (av.FFmpegError, InputError):
            continue
        with container:
            settings.append((stream.codec_context.name, stream.codec_context.extradata))
    if len(set(settings)) > 1:
        raise InputError(
            f"The video {path} has another one in it, from byte {start} on, which was encoded "
            "otherwise and cannot be read on: give the original files one by one, or join them "
            "with FFmpeg."
        )


def has_video_content(path: Path) -> bool:
    """Whether a file begins as MP4, Matroska, AVI or FLV do, whatever it is called."""
    with open(path, "rb") as file:
        start = file.read(12)
    is_mp4 = start[4:8] == b"ftyp" and start[8:12] not in PICTURE_BRANDS
    is_avi = start[:4] == b"RIFF" and start[8:] == b"AVI "
    return is_mp4 or is_avi or start.startswith((b"\x1a\x45\xdf\xa3", b"FLV\x01"))


def why_no_video(path: str, error: Exception, *, shown: str | None = None) -> str:
    """Say in a sentence why FFmpeg cannot open a file; ``shown`` is the name to call it."""
    name = shown or path
    reason = _known_reason(Path(path))
    if reason:
        return f"The file {name} is not a video: {reason}."
    words = getattr(error, "strerror", None) or error
    return f"The file {name} is not a video that FFmpeg can read ({words}): check the file."


def reason_of_content(start: bytes) -> str:
    """What a file is that begins with these bytes, and what to do; empty if it is not known."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<script")):
        return "it is a page of a web site (HTML); download the video that the page shows"
    if text.startswith((b"<?xml", b"{", b"[")) and b"\0" not in text:
        return "it is a text (XML or JSON); download the video itself"
    if start.startswith(b"\x00\x05\x16\x07"):
        return "it has macOS's notes on a file; take the one without '._' before its name"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS; get the video with 'git lfs pull'"
    if start.startswith(b"PK\x03\x04"):
        return "it is a zip archive; unpack it first"
    packed = next((name for magic, name in PACKED.items() if start.startswith(magic)), None)
    if packed:
        return f"it is a {packed} archive; unpack it first"
    if start.startswith(b"%PDF-"):
        return "it is a PDF document; give the video itself"
    if start[4:8] == b"ftyp" and start[8:12] in PICTURE_BRANDS:
        return f"it is a picture ({start[8:12].decode()}); save it as JPEG or PNG"
    if text.startswith((b"#extm3u", b"[playlist]", b"v=0")):
        return "it is a playlist, which names the video; give the file or the address that it names"
    if start and not start.strip(b"\0"):
        return "it begins with zeros only, as a file does that was never copied whole; get it again"
    return ""


def _known_reason(path: Path) -> str:
    if not os.access(path, os.R_OK):  # an address, or there is no right to read it
        return ""
    if not os.path.getsize(path):
        return "it is empty (0 bytes); get it again"
    with open(path, "rb") as file:
        start = file.read(4096)
    reason = reason_of_content(start)
    boxes = set(_mp4_boxes(path)) if start[4:8] in MP4_BOXES and not reason else set()
    if b"moof" in boxes and b"moov" not in boxes:
        return (
            "it is a piece of a stream (DASH or HLS) without the beginning, which says how to "
            "decode it; put the init segment before it"
        )
    if boxes and b"moov" not in boxes:
        return (
            "its recording or its copying was never finished (moov atom not found); copy it again, "
            "or repair it with a tool such as untrunc"
        )
    return reason


def _mp4_boxes(path: Path) -> Iterator[bytes]:
    """Kinds of the outermost boxes of an MP4 file."""
    size, position = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:], "big")
            yield header[4:8]
            if length < 8:
                return
            position += length
