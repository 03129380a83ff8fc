"""A web server of this machine: files of a folder, and a camera that sends pictures."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np


class Pages(http.server.SimpleHTTPRequestHandler):
    """Sends ``/camera`` as MJPEG, everything else from the folder."""

    def do_GET(self) -> None:
        if self.path != "/camera":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for picture in self.server.pictures():
            body = cv2.imencode(".jpg", picture)[1].tobytes()
            length = len(body)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
            self.wfile.write(head.encode() + body + b"\r\n")

    def log_message(self, *_) -> None:
        pass


@contextmanager
def served(folder: Path, pictures: Callable[[], Iterable[np.ndarray]] = tuple) -> Iterator[str]:
    """Address of the server; its ``/camera`` sends the pictures to each client."""
    pages = functools.partial(Pages, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.pictures = pictures
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
