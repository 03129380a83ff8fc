"""A page for a browser: upload a video, watch the progress, play and download the result.

Everything the page needs comes from this server, nothing from the internet.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
import tempfile
from contextlib import closing
from pathlib import Path

import waitress
from detectron2.config import CfgNode
from flask import Flask, Response, abort, render_template, request, send_file

from ...errors import InputError
from .annotator import AnnotationOptions, Annotator
from .uploads import TooManyVideos, Upload, Uploads

LARGEST_UPLOAD = 1 << 30  # bytes
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def serve(cfg: CfgNode, options: AnnotationOptions, *, host: str, port: int) -> None:
    """Serve the page until Ctrl-C; then all files are deleted.

    Port 0 stands for any that is free. Raises InputError if the address does not exist or is in
    use, and as :class:`~boxmask_vid.apps.video_demo.annotator.Annotator` does.
    """
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(
            f"The page cannot be served at --host {host} --port {port} ({error}): choose others."
        ) from error
    host, port = listening.getsockname()
    # services are ended by SIGTERM; files are deleted then, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        listening,
        tempfile.TemporaryDirectory(prefix="boxmask_vid_") as folder,
        closing(Uploads(Annotator(cfg, options), Path(folder))) as uploads,
    ):
        app = build_app(uploads)
        if ipaddress.ip_address(
            host
        ).is_loopback:  # any other host name comes from a foreign web page
            app.config["TRUSTED_HOSTS"] = [host, "localhost"]
        else:
            print("Everyone who can reach this machine can use the page.")
        server = waitress.create_server(
            app, sockets=[listening], max_request_body_size=LARGEST_UPLOAD, ident=None
        )
        print(f"Open http://{host}:{port}/ in a browser; Ctrl-C ends it.", flush=True)
        with closing(server):
            server.run()


def build_app(uploads: Uploads) -> Flask:
    """Web application of the page.

    A video is sent by PUT, which browsers do not let other web pages do.
    """
    app = Flask(__name__, static_folder="page", static_url_path="/page", template_folder="page")

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
        return send_file(video.annotated, download_name=f"{video.stem}_annotated.mp4")

    @app.get("/videos/<name>/detections.jsonl")
    def detections(name: str) -> Response:
        video, kind = known(name), "application/jsonl"
        file_name = f"{video.stem}.jsonl"
        return send_file(video.lines, kind, as_attachment=True, download_name=file_name)

    @app.delete("/videos/<name>")
    def forget(name: str) -> tuple[str, int]:
        uploads.forget(name)
        return "", 204

    def known(name: str) -> Upload:
        return uploads.get(name) or abort(404)

    return app
