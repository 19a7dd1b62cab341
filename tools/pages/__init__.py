"""The common parts of the local pages: served on loopback only, loading nothing from elsewhere.

They are tools and are not deployed.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, request
from jinja2 import StrictUndefined
from werkzeug.serving import WSGIRequestHandler, make_server

from tools.pages.emails import SANDBOX
from tools.stack.emulator import HOST

HERE = Path(__file__).parent
# Nothing from another host, no inline script or style, no form that leads elsewhere.
PAGE_POLICY = (
    "default-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'; "
    "object-src 'none'"
)


class PageFailedError(Exception):
    """A page can't be served. The text says why."""


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


def application(name: str, folder: Path) -> Flask:
    """Make a page's application; its templates and files are in its own folder."""
    app = Flask(name, static_folder=folder / "static", template_folder=str(folder / "templates"))
    # Reject other host names, so that another site can't reach it by DNS rebinding.
    app.config["TRUSTED_HOSTS"] = [HOST, "localhost"]
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.globals["sandbox"] = SANDBOX
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(
        Blueprint(
            "pages",
            __name__,
            static_folder=HERE / "static",
            static_url_path="/pages",
            template_folder=str(HERE / "templates"),
        )
    )
    app.before_request(refuse_other_sites)
    app.after_request(secure)
    app.after_request(hold_no_file)
    return app


def refuse_other_sites() -> None:
    """Refuse forms from other sites' pages."""
    if request.method != "GET" and request.headers.get("Sec-Fetch-Site", "same-origin") not in {
        "same-origin",
        "none",
    }:
        abort(403)


def secure(response: Response) -> Response:
    """Set what a page may load; emails get their own policy where they are served."""
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def hold_no_file(response: Response) -> Response:
    """Read a static file at once: werkzeug leaves it open if a browser disconnects early."""
    if response.direct_passthrough:
        response.direct_passthrough = False
        content = response.get_data()
        response.close()
        response.set_data(content)
    return response


@contextlib.contextmanager
def served(app: Flask, port: int) -> Iterator[str]:
    """Serve a page on loopback during the block; yields its address.

    Port 0 takes a free one. Raises PageFailedError.
    """
    try:
        server = make_server(HOST, port, app, threaded=True, request_handler=Quiet)
    except (OSError, SystemExit) as failure:
        raise PageFailedError(f"port {port} is taken; choose another, or 0 for a free one") from (
            failure
        )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
