"""The simulator page: a form that plays Roomle, and the result of each event."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from re import fullmatch

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from roomle_mail_cli import project
from tools import pages
from tools.pages.emails import InboxLine, framed, with_remote
from tools.simulator import scenario as scenarios
from tools.simulator.runs import Run, Runs
from tools.simulator.scenario import Scenario, configurators
from tools.simulator.stage import Stage, standing
from tools.stack.deployment import Stack
from tools.stack.emulator import taken


def application(stage: Stage) -> Flask:
    """Make the page for a stage."""
    app = pages.application(__name__, Path(__file__).parent)
    runs = Runs(stage)
    app.jinja_env.filters["pretty"] = pretty

    def show(scenario: Scenario, run: Run | None) -> str:
        tenant = stage.emails.tenant
        # First, because the run goes on: what is said to be settled has to be shown as it ended.
        settled = run is None or run.settled
        return render_template(
            "simulator.html",
            settled=settled,
            chosen=asdict(scenario),
            changed=scenario.changed(tenant),
            offered=scenarios,
            has_mailer=stage.stack.has_mailer,
            configurators=configurators(tenant),
            languages=tenant.languages,
            runs=runs.all,
            score=runs.score,
            run=run,
            story=story(run) if run else "",
            moment=int(time.time() * 1000),
        )

    @app.get("/")
    def start() -> str:
        usual = Scenario(email=next_address(Scenario().email, len(runs.all)))
        return show(usual.fitted(stage.emails.tenant), None)

    @app.post("/runs")
    def send() -> Redirect:
        try:
            run = runs.start(Scenario.of(request.form).fitted(stage.emails.tenant))
        except ValueError:
            abort(400)
        return redirect(url_for("one", number=run.number, _anchor="story"), code=303)

    @app.get("/runs/<int:number>")
    def one(number: int) -> str:
        run = runs.get(number) or abort(404)
        address = next_address(run.scenario.email, len(runs.all))
        return show(replace(run.scenario, email=address), run)

    @app.get("/runs/<int:number>/story")
    def told(number: int) -> str:
        return story(runs.get(number) or abort(404))

    @app.get("/runs/<int:number>/emails/<int:place>")
    def email(number: int, place: int) -> Response:
        run = runs.get(number) or abort(404)
        if place >= len(run.emails):
            abort(404)
        taken = run.emails[place]
        # The design's picture is where no browser finds it: on Roomle's hosts.
        html = with_remote(taken.html, stage.stack.roomle.picture)
        return framed(html, taken.pictures, None, own_files=project.emails() / "pictures")

    return app


def story(run: Run) -> str:
    """The current state of an event."""
    # First, because the run goes on: the page asks again unless the verdict is final.
    verdict = run.verdict
    emails = [
        (taken, InboxLine.of(taken.sender, taken.subject, taken.html)) for taken in run.emails
    ]
    return render_template("story.html", run=run, emails=emails, verdict=verdict)


def next_address(address: str, count: int) -> str:
    """A new address for the next event, unless the visitor has typed one."""
    if fullmatch(r"jane\.\d+@customer\.example", address):
        return f"jane.{count + 1}@customer.example"
    return address


def pretty(text: str) -> str:
    """Pretty-print JSON; return anything else as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text


@contextlib.contextmanager
def beside(stack: Stack, port: int | None = None) -> Iterator[str]:
    """Serve the page for a running stack; yields its address.

    By default its port is the next after the emulator's. If that is taken, it is any free one.
    """
    port = stack.emulator.port + 1 if port is None else port
    port = 0 if taken(port) else port
    with standing(stack) as stage, pages.served(application(stage), port) as address:
        yield address
