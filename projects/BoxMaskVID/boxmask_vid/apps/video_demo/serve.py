"""A page for a browser: upload a video, watch the progress, play and download what was found.

Everything the page needs comes from here, nothing from the internet.
"""

from __future__ import annotations

import argparse
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
from .annotator import Annotator
from .uploads import TooManyVideos, Upload, Uploads

LARGEST_UPLOAD = 1 << 30  # bytes
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def serve(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C; then all files are deleted.

    Args:
        cfg: the config, with weights.
        args: as :func:`~boxmask_vid.apps.video_demo.demo.argument_parser` gives them.

    Raises:
        InputError: if there is no such address, or it is in use.
    """
    try:
        listening = socket.create_server((args.host, args.port))
    except (OSError, OverflowError) as error:
        raise InputError(
            f"The page cannot be served at --host {args.host} --port {args.port} ({error}): choose "
            "others."
        ) from error
    host, port = listening.getsockname()
    is_private = ipaddress.ip_address(host).is_loopback
    # what ends a service is not Ctrl-C, and files are to be deleted then, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        listening,
        tempfile.TemporaryDirectory(prefix="boxmask_vid_") as folder,
        closing(Uploads(Annotator(cfg, args), Path(folder))) as uploads,
    ):
        app = build_app(uploads)
        if is_private:  # another name for this machine is another web page reaching for it
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
    """The page and what it asks for.

    A video is sent by PUT: browsers let no other web page do that.
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
    def tell_progress(name: str) -> dict:
        return known(name).progress()

    @app.get("/videos/<name>/annotated.mp4")
    def give_video(name: str) -> Response:
        found = known(name)
        return send_file(found.annotated, download_name=f"{found.stem}_annotated.mp4")

    @app.get("/videos/<name>/detections.jsonl")
    def give_lines(name: str) -> Response:
        found = known(name)
        return send_file(
            found.lines,
            "application/jsonl",
            as_attachment=True,
            download_name=f"{found.stem}.jsonl",
        )

    @app.delete("/videos/<name>")
    def forget(name: str) -> tuple[str, int]:
        uploads.forget(name)
        return "", 204

    def known(name: str) -> Upload:
        found = uploads.get(name)
        if found is None:
            abort(404)
        return found

    return app
