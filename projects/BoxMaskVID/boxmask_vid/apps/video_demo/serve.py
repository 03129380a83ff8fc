"""A page for a browser: upload a video, watch the progress, play and download the result.

Everything the page needs comes from this server, nothing from the internet.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import waitress
from detectron2.config import CfgNode
from flask import Flask, Response, abort, render_template, request, send_file
from werkzeug.exceptions import SecurityError

from ...errors import InputError
from .annotator import AnnotationOptions, Annotator
from .connections import BoundedChannel
from .uploads import TooManyVideos, Upload, Uploads

LARGEST_UPLOAD = 1 << 30  # bytes
THREADS = 32  # a thread waits while a client is slow to take an answer of more than 16 MiB
MOST_CONNECTIONS = 500
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def serve(cfg: CfgNode, options: AnnotationOptions, *, host: str, port: int) -> None:
    """Serve the page until Ctrl-C, SIGTERM or SIGHUP; then all files are deleted.

    Port 0 stands for any that is free. Raises InputError if the address does not exist or is in
    use, and as :class:`~boxmask_vid.apps.video_demo.annotator.Annotator` does.
    """
    with (
        _listening(host, port) as listening,
        _ended_by_signals(),
        tempfile.TemporaryDirectory(prefix="boxmask_vid_") as folder,
        closing(Uploads(Annotator(cfg, options), Path(folder))) as uploads,
    ):
        address, port = listening.getsockname()[:2]
        is_local = ipaddress.ip_address(address).is_loopback
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}/"
        server = build_server(build_app(uploads, local_url=url if is_local else None), listening)
        if not is_local:
            print("Everyone who can reach this machine can use the page.")
        print(f"Open {url} in a browser; Ctrl-C ends it.", flush=True)
        with closing(server):
            server.run()


def build_server(app: Flask, listening: socket.socket) -> waitress.server.BaseWSGIServer:
    """HTTP server of the page on a socket that listens."""
    server = waitress.create_server(
        app,
        sockets=[listening],
        max_request_body_size=LARGEST_UPLOAD,
        threads=THREADS,
        connection_limit=MOST_CONNECTIONS,
        asyncore_use_poll=True,  # select takes 1024 open files only
        ident=None,
    )
    server.channel_class = BoundedChannel
    return server


def build_app(uploads: Uploads, *, local_url: str | None = None) -> Flask:
    """Web application of the page.

    A video is sent by PUT, which browsers do not let other web pages do.

    Args:
        uploads: where the videos are.
        local_url: address of the page if it is for this machine only: any other host name in a
            request comes from a foreign web page. None if it is for all.
    """
    app = Flask(__name__, static_folder="page", static_url_path="/page", template_folder="page")
    _refuse_other_hosts(app, local_url)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.get("/")
    def show_page() -> str:
        return render_template("index.html", largest=LARGEST_UPLOAD)

    @app.put("/videos")
    def upload() -> tuple[dict, int]:
        try:
            name = uploads.add(request.args.get("name", ""), request.stream)
        except TooManyVideos as error:
            return {"sentence": str(error)}, 503
        except OSError as error:
            return {"sentence": f"The video cannot be kept ({error.strerror})."}, 507
        return {"id": name}, 201

    @app.get("/videos/<name>")
    def progress(name: str) -> dict:
        return known(name).progress()

    @app.get("/videos/<name>/annotated.mp4")
    def annotated_video(name: str) -> Response:
        video = known(name)
        return result(video.annotated, "video/mp4", f"{video.stem}_annotated.mp4", attached=False)

    @app.get("/videos/<name>/detections.jsonl")
    def detections(name: str) -> Response:
        video = known(name)
        return result(video.lines, "application/jsonl", f"{video.stem}.jsonl", attached=True)

    @app.delete("/videos/<name>")
    def forget(name: str) -> tuple[str, int]:
        uploads.forget(name)
        return "", 204

    def known(name: str) -> Upload:
        return uploads.get(name) or abort(404)

    def result(path: Path, kind: str, name: str, *, attached: bool) -> Response:
        try:
            return send_file(path, kind, as_attachment=attached, download_name=name)
        except FileNotFoundError:  # not yet, or not any more
            abort(404)

    return app


def _refuse_other_hosts(app: Flask, local_url: str | None) -> None:
    """Answer requests for other hosts with a sentence, if the page is for this machine only."""

    @app.before_request
    def check_host() -> Response | None:
        return None if local_url is None or is_loopback(request.host) else refuse_host()

    @app.errorhandler(SecurityError)
    def refuse_host(error: SecurityError | None = None) -> Response:
        name = request.headers.get("Host", "")[:100]
        return Response(f"{_about_host(name, local_url)}\n", 400, mimetype="text/plain")


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine: localhost or a loopback address, any port."""
    with suppress(ValueError):
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    return False


def _about_host(name: str, local_url: str | None) -> str:
    if local_url is None:
        return f"'{name}' is not the name of a host: open the page by its address."
    port = urlsplit(local_url).port
    return (
        f"The page was opened as '{name}', but is for its own machine only: open {local_url} "
        "there, start it with --host ADDRESS for all who reach that address, or make a tunnel from "
        f"your machine (ssh -L {port}:localhost:{port} MACHINE) and open http://localhost:{port}/."
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, *_, (address, _, *more) = socket.getaddrinfo(
            host.strip("[]"), None, type=socket.SOCK_STREAM
        )[0]
        listening = socket.create_server((address, port, *more), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"The page cannot be served at --host {host} --port {port} ({error}): choose others."
        ) from error
    with listening:
        yield listening


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End the block by KeyboardInterrupt at the first signal; others do not disturb the end."""

    def end(number: int, frame: FrameType | None) -> None:
        for other in ENDS:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in ENDS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup asks for
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
