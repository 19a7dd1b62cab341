"""The parts of the local pages that need no browser."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from emails_build.package import PACKAGE
from tests import emails_package
from tools import pages
from tools.simulator.page import application
from tools.simulator.scenario import SWITCHES
from tools.tenant import Tenant


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

    # If a file is read before it is sent, it can't be left open.
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


@pytest.mark.parametrize("has_mailer", [True, False])
def test_the_simulator_offers_no_sending_where_the_stack_sends_nothing(*, has_mailer: bool) -> None:
    stage: Any = SimpleNamespace(
        stack=SimpleNamespace(has_mailer=has_mailer),
        emails=SimpleNamespace(tenant=Tenant(emails_package.build() / PACKAGE)),
    )

    page = application(stage).test_client().get("/").text

    offered = {name for name in re.findall(r'<select id="([^"]+)"', page) if name in SWITCHES}
    without = set() if has_mailer else {"ses", "roomle", "delivery"}
    assert offered == set(SWITCHES) - without
    assert ("Mailer is off: the stack delivers by the queue only" in page) != has_mailer
