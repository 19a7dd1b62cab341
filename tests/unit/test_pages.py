"""What the local pages have in common, as far as it needs no browser."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tools import pages


@pytest.fixture(scope="module")
def app() -> Flask:
    made = pages.application("some", pages.HERE.parent / "simulator")
    made.add_url_rule("/form", view_func=lambda: "sent", endpoint="form", methods=["GET", "POST"])
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_a_browser_that_disconnects_leaves_no_file_open(app: Flask) -> None:
    with app.test_request_context("/pages/frames.js"):
        answer = app.full_dispatch_request()

    # What is not read from a file while it is sent can't be left open.
    assert not answer.is_streamed
    assert not answer.direct_passthrough
    assert answer.get_data() == (pages.HERE / "static" / "frames.js").read_bytes()


@pytest.mark.parametrize("path", ["/form", "/pages/frames.js"])
def test_a_page_loads_nothing_from_elsewhere_and_is_not_kept(
    client: FlaskClient, path: str
) -> None:
    headers = client.get(path).headers

    assert headers["Content-Security-Policy"] == pages.PAGE_POLICY
    assert "default-src 'self'" in pages.PAGE_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("site", "status"),
    [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)],
)
def test_another_sites_page_cannot_send_a_form(client: FlaskClient, site: str, status: int) -> None:
    assert client.post("/form", headers={"Sec-Fetch-Site": site}).status_code == status
    assert client.get("/form", headers={"Sec-Fetch-Site": site}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
    ],
)
def test_a_page_answers_only_under_this_machines_own_names(
    client: FlaskClient, host: str, status: int
) -> None:
    assert client.get("/form", headers={"Host": host}).status_code == status
