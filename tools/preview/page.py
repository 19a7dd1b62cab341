"""The preview page: one email and its problems, or all of them."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from flask import Flask, Response, abort, render_template, request
from werkzeug.exceptions import HTTPException

from emails_build.checks import MAX_HTML
from emails_build.problems import BuildFailed, Problem
from roomle_mail.emails import Email
from tools import pages
from tools.pages.emails import SCHEMES, InboxLine, Picture, Scheme, framed
from tools.preview import blocks
from tools.preview.drafts import DESIGNS, KINDS, Choice, Drafts, Folder, design_of, relative
from tools.roomle_api.pictures import sofa

# In CSS pixels: a usual reading pane, and a usual phone.
WIDTHS = {"desktop": 680, "phone": 375}
COLOUR = (120, 90, 60)

# The possible values in an address; the first is the default.
ALLOWED = {
    "email": tuple(kind.key for kind in KINDS),
    "width": ("both", "desktop", "phone"),
    "scheme": ("light", "dark", "both"),
    "images": ("own", "loaded", "blocked"),
    "links": ("all", "fewest"),
    "design": DESIGNS,
    "blocks": ("set", "all", "none", *blocks.NAMES),
}


@dataclass(frozen=True)
class View:
    """Which email is shown, and how: the page's address as values.

    Without a brand or a language it is the default brand's, in the brand's language.
    """

    brand: str = ""
    language: str = ""
    email: str = ALLOWED["email"][0]
    width: str = ALLOWED["width"][0]
    scheme: str = ALLOWED["scheme"][0]
    images: str = ALLOWED["images"][0]
    links: str = ALLOWED["links"][0]
    design: str = ALLOWED["design"][0]
    blocks: str = ALLOWED["blocks"][0]

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> "View":
        """Read an address; invalid values become the default."""
        told = {name: arguments[name] for name in ("brand", "language") if name in arguments}
        for name, allowed in ALLOWED.items():
            if arguments.get(name) in allowed:
                told[name] = arguments[name]
        return cls(**told)

    def choice(self, drafts: Drafts) -> Choice:
        """The email, by default the default brand's, in the brand's language."""
        look = next((each for each in drafts.looks if each.key == self.brand), drafts.looks[0])
        offered = look.brand.languages
        language = self.language if self.language in offered else look.brand.language
        kind = next(kind for kind in KINDS if kind.key == self.email)
        return Choice(look, language, kind, self.links == "all", self.design, self.blocks)

    def address(self, path: str = "/", **changes: str) -> str:
        """The address of another view."""
        default = asdict(View())
        told = asdict(self) | changes
        query = {name: value for name, value in told.items() if value != default[name]}
        return f"{path}?{urlencode(query)}" if query else path

    @property
    def widths(self) -> list[str]:
        """The widths shown."""
        return list(WIDTHS) if self.width == "both" else [self.width]

    @property
    def glance_width(self) -> str:
        """The width shown of all emails at a glance."""
        return self.widths[0]

    @property
    def schemes(self) -> list[Scheme]:
        """The colour schemes shown."""
        return [scheme for scheme in SCHEMES if self.scheme in {scheme, "both"}]


def application(folder: Folder) -> Flask:
    """Make the page for a folder such as layers/emails."""
    app = pages.application(__name__, Path(__file__).parent)

    @app.get("/")
    def one() -> Response | str:
        view, drafts = View.of(request.args), folder.drafts()
        if isinstance(drafts, BuildFailed):
            return broken(drafts, folder)
        return show(view, drafts, folder)

    @app.get("/all")
    def overview() -> Response | str:
        view, drafts = View.of(request.args), folder.drafts()
        if isinstance(drafts, BuildFailed):
            return broken(drafts, folder)
        return render_template(
            "all.html", view=view, stamp=folder.stamp(), rows=rows(drafts), widths=WIDTHS
        )

    @app.get("/email")
    def email() -> Response:
        view, drafts = View.of(request.args), folder.drafts()
        found = None if isinstance(drafts, BuildFailed) else shown(view, drafts)
        if found is None:
            abort(404)
        return found

    @app.get("/stamp")
    def stamp() -> str:
        return folder.stamp()

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> tuple[str, int] | HTTPException:
        """An unexpected error: the page still shows no stack trace."""
        if isinstance(error, HTTPException):
            return error
        app.logger.error("unforeseen", exc_info=error)
        problems = [Problem(folder.source, 0, f"{type(error).__name__}: {error}")]
        return broken(BuildFailed(problems), folder).get_data(as_text=True), 500

    return app


def shown(view: View, drafts: Drafts) -> Response | None:
    """The email itself, for a frame; None if there is none."""
    choice = view.choice(drafts)
    found = drafts.email(choice)
    if not isinstance(found, Email):
        return None
    one = view.schemes[0] if len(view.schemes) == 1 else None
    html = found.html if view.images == "blocked" else with_design(found.html, choice)
    return framed(
        html,
        pictures(found),
        one,
        own_files=drafts.source / "pictures" if view.images == "own" else None,
        remote_images=view.images == "loaded",
    )


def show(view: View, drafts: Drafts, folder: Folder) -> str:
    """One email, its siblings, and its problems."""
    choice = view.choice(drafts)
    view = replace(view, brand=choice.look.key, language=choice.language)
    found = drafts.email(choice)
    here, elsewhere = drafts.problems_of(choice)
    if isinstance(found, Problem) and not here:
        here.append(found)
    email = found if isinstance(found, Email) else None
    other = drafts.email(replace(choice, whole=not choice.whole))
    return render_template(
        "one.html",
        view=view,
        stamp=folder.stamp(),
        drafts=drafts,
        choice=choice,
        email=email,
        left_to_roomle=found is None,
        inbox=InboxLine.of(email.sender, email.subject, email.html) if email else None,
        problems=located([*here, *(drafts.check(choice, email) if email else ())], folder),
        elsewhere=located(elsewhere, folder),
        siblings=[(kind, *judged(drafts, replace(choice, kind=kind))) for kind in KINDS],
        optional=email is not None and differs(email, other),
        shows_design=len({drafts.text(replace(choice, design=each)) for each in DESIGNS}) > 1,
        widths=WIDTHS,
        blocks=tuple(blocks.NAMES.items()),
        size=len(email.html.encode()) if email else 0,
        limit=MAX_HTML,
    )


def differs(email: Email, other: Email | Problem | None) -> bool:
    """Return whether the email has parts that depend on what Roomle sends."""
    if not isinstance(other, Email):
        return False
    urls = re.compile(r"https://\S+")
    return bool(email.images) != bool(other.images) or (
        urls.sub("", email.text) != urls.sub("", other.text)
    )


def judged(drafts: Drafts, choice: Choice) -> tuple[bool, int]:
    """Return whether the email exists, and its number of problems."""
    found = drafts.email(choice)
    here = len(drafts.problems_of(choice)[0])
    if isinstance(found, Email):
        return True, here + len(drafts.check(choice, found))
    return found is not None, max(here, 1) if found else 0


def rows(
    drafts: Drafts,
) -> list[tuple[Choice, View, Email | Problem | None, InboxLine | None, int]]:
    """All emails, for the overview."""
    made = []
    for choice in drafts.each_subject():
        email = drafts.email(choice)
        line = None
        if isinstance(email, Email):
            line = InboxLine.of(email.sender, email.subject, email.html)
        view = View(choice.look.key, choice.language, choice.kind.key, design=choice.design)
        made.append((choice, view, email, line, judged(drafts, choice)[1]))
    return made


def with_design(html: str, choice: Choice) -> str:
    """Return the HTML with a made-up design's picture instead of the link to it."""
    link, data = design_of(choice).picture, b64encode(sofa(COLOUR)).decode()
    return html.replace(f'src="{link}"', f'src="data:image/png;base64,{data}"')


def pictures(email: Email) -> list[Picture]:
    """The inline pictures."""
    return [Picture(each.content_id, each.media_type, each.data) for each in email.images]


def located(problems: list[Problem], folder: Folder) -> list[str]:
    """The build's message, with paths in the repository."""
    return [str(relative(problem, folder.source)) for problem in problems]


def broken(failed: BuildFailed, folder: Folder) -> Response:
    """The build's message if it can't make any email."""
    problems = located(list(failed.problems), folder)
    return Response(render_template("broken.html", problems=problems, stamp=folder.stamp()))
