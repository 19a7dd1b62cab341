"""The documentation is correct: alarms, parameters, fields, costs, links, tests."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import roomle_mail
from roomle_mail_cli.app import app
from tests import operations, ses_events
from tests.unit.cloudformation import read
from tools import cost, html_checker, sam

PAGE = cost.PAGE.read_text()


def test_the_costs_are_calculated() -> None:
    assert cost.render(PAGE) == PAGE


def test_a_page_without_a_place_for_the_costs_is_refused() -> None:
    with pytest.raises(ValueError, match="per 1000 emails"):
        cost.render("# Operations\n")


def test_the_stack_costs_what_it_has() -> None:
    stack = cost.inputs()["stack"]
    kinds = [resource["Type"] for resource in read()["Resources"].values()]
    # Without the alarms that are off by default.
    looked_at = sum(
        len(operations.of_alarm(alarm))
        for name, alarm in operations.alarms().items()
        if name not in {"SilenceAlarm", "UnpublishedAlarm"}
    )

    assert stack["alarm_metrics"] == looked_at
    assert stack["secrets"] == kinds.count("AWS::SecretsManager::Secret")
    assert stack["dashboards"] == kinds.count("AWS::CloudWatch::Dashboard")


def test_the_memory_is_calculated_as_the_template_sets_it() -> None:
    assert read()["Parameters"]["MemorySize"]["Default"] == cost.MEMORY_GB * 1024


@pytest.mark.parametrize("name", operations.alarms())
def test_every_alarm_is_in_the_runbook(name: str) -> None:
    (section,) = re.findall(rf"^### {name}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)

    assert "**Symptom**:" in section
    assert "**Cause**" in section
    assert "```sh run" in section


def test_the_runbook_has_only_alarms_of_the_template() -> None:
    named = set(re.findall(r"\b[A-Z][A-Za-z]+Alarm\b", PAGE))

    assert named == set(operations.alarms())


def test_every_parameter_that_a_page_names_exists() -> None:
    parameters = set(read()["Parameters"])
    named = set(re.findall(r"`([A-Z][A-Za-z]+)(?:=[^`]*)?`", PAGE))
    outputs = set(read()["Outputs"])
    known = parameters | outputs | set(read()["Resources"])
    told = {each.name for each in operations.metrics()} | {"SettingsInvalid", "SUCCESS"}
    others = {"Simple", "Raw", "DeploymentPreference", "Disabled", "CNAME", "TOKEN", "RoomleMail"}
    others |= {"INFO"}

    assert named - known - told - others == set()
    assert {"SenderIdentities", "AlarmEmail", "SesDailyQuota", "TokenReuse"} <= named


def parameters_table() -> str:
    rows = [
        f"| `{name}` | {shown(about.get('Default'))} | {' '.join(about['Description'].split())} |"
        for name, about in read()["Parameters"].items()
    ]
    return "\n".join(["| parameter | default | meaning |", "|---|---|---|", *rows])


def shown(default: object) -> str:
    return (
        "none, must be given" if default is None else f"`{default}`" if default != "" else "empty"
    )


def test_every_parameter_is_explained_as_in_the_template() -> None:
    # `sam deploy --guided` asks for them without their descriptions.
    (table,) = re.findall(r"<!-- parameters -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)

    assert table == parameters_table()


def test_everything_that_only_aws_creates_is_listed() -> None:
    (section,) = re.findall(
        r"^## What only AWS creates\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    conditional = {
        name
        for name, resource in read()["Resources"].items()
        if resource.get("Condition", "").endswith("OnAws")
    }
    # Otherwise only the dashboard's list of alarms depends on that condition.
    text = (sam.ROOT / "template.yaml").read_text()

    assert sorted(listed) == sorted(conditional)
    assert len(re.findall(r"Condition: (?:WithMailer)?OnAws\n", text)) == len(conditional)
    assert text.count("OnAws\n") == len(conditional) + 1


def test_the_first_command_that_deploys_asks_for_nothing_but_the_identity() -> None:
    command = "sam build && sam deploy --parameter-overrides SenderIdentities="
    required = [name for name, about in read()["Parameters"].items() if "Default" not in about]

    assert required == ["SenderIdentities"]
    for text in (README, PAGE):
        (first, *_) = re.findall(r"sam (?:build && sam )?deploy\b.*", text)
        assert first.startswith(command)


@pytest.mark.parametrize(
    "question",
    [
        "ReceiverFunction has no authentication. Is this okay? [y/N]",
        "Deploy this changeset? [y/N]",
    ],
)
def test_the_questions_of_a_guided_deploy_are_answered(question: str) -> None:
    for text in (README, PAGE):
        (answer,) = re.findall(rf'{re.escape(question)}"(.{{0,250}})', " ".join(text.split()))
        assert "answer `y`" in answer.lower()


def test_the_note_of_a_deploy_without_questions_is_explained() -> None:
    # SAM prints it where it does not ask (samcli's deploy_context).
    assert '"ReceiverFunction has no authentication."' in PAGE


def test_the_region_is_set_under_both_names_before_anything_else() -> None:
    run = re.findall(r"^```sh run\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    # The AWS CLI reads AWS_REGION first. botocore, and so SAM, reads only the other one.
    assert run[0].splitlines() == [
        "export AWS_REGION=eu-central-1",
        'export AWS_DEFAULT_REGION="$AWS_REGION"',
    ]
    assert 'AWS_DEFAULT_REGION="$AWS_REGION"' in README


def test_a_log_is_read_from_a_time_and_not_from_its_start() -> None:
    # `filter-log-events` reads the whole retention period, even if --query drops most of it.
    for page in PAGES:
        text = page.read_text()
        assert "filter-log-events" not in text
        for command in re.findall(r"aws logs tail .*", text):
            assert "--since" in command


def test_dmarc_begins_with_a_policy_that_only_reports() -> None:
    for page in PAGES:
        policies = re.findall(r"v=DMARC1; p=(\w+)", page.read_text())
        assert set(policies) <= {"none"}
    order = [PAGE.index(policy) for policy in ("p=none", "p=quarantine", "p=reject")]
    assert order == sorted(order)


def test_every_kind_of_ses_event_that_a_page_names_is_logged() -> None:
    assert set(re.findall(r'"(Email [A-Z][A-Za-z ]+)"', PAGE)) <= set(ses_events.EVENTS)


PAGES = [
    sam.ROOT / "README.md",
    *(sam.ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((sam.ROOT / "docs").glob("*.md")),
    sam.ROOT / "docs" / "recipes" / "README.md",
    sam.ROOT / "events" / "README.md",
]
README = PAGES[0].read_text()


def title(page: Path) -> str:
    return str(page.relative_to(sam.ROOT))


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = without_code(page)
    for link in re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'<img src="([^"]+)"', text):
        file, _, anchor = link.partition("#")
        if link.startswith("http"):
            continue
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    makefile = (sam.ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    # After a word, "make" is an English verb.
    assert set(re.findall(r"(?:^ *|`)make ([a-z]+)", text, re.MULTILINE)) <= targets
    known = commands(typer.main.get_command(app))
    # At the start of a line, with or without a path, or quoted.
    for named in re.findall(
        r"(?:^ *(?:\S*/)?|`)roomle-mail ([a-z-]+ ?[a-z-]*)", text, re.MULTILINE
    ):
        words = tuple(named.split())
        assert words in known or words[:1] in known, named


def test_the_commands_of_the_readme_are_run_where_the_page_on_operations_has_them() -> None:
    run = "\n".join(re.findall(r"^```sh run\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    named = re.findall(r"^ +\.venv/bin/(roomle-mail .+)$", README, re.MULTILINE)

    # A secret, an email, a check: every first deployment needs these.
    assert {" ".join(each.split()[:2]) for each in named} >= {
        *("roomle-mail secret", "roomle-mail send", "roomle-mail doctor"),
    }
    for command in named:
        assert re.search(rf"^{re.escape(command)}( |$)", run, re.MULTILINE), command


def commands(command: Any, *path: str) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    below = [found for name, each in inner.items() for found in commands(each, *path, name)]
    return below if inner else [path]


def test_every_picture_is_shown_with_a_caption() -> None:
    for picture in (sam.ROOT / "docs" / "images").iterdir():
        (after,) = re.findall(
            rf"^[^\n]*docs/images/{picture.name}[^\n]*\n\n(.*)", README, re.MULTILINE
        )
        assert after.startswith("*"), picture.name


def test_the_readme_says_what_to_do_about_every_alarm() -> None:
    rows = re.findall(r"^\|(.*Alarm.*)\|(.*)\|(.*)\|$", README, re.MULTILINE)
    named = [name for names, _, _ in rows for name in re.findall(r"`(\w+Alarm)`", names)]

    assert sorted(named) == sorted(operations.alarms())
    assert all(means.strip() and step.strip() for _, means, step in rows)


def test_every_environment_of_samconfig_that_a_page_names_exists() -> None:
    config = tomllib.loads((sam.ROOT / "samconfig.toml").read_text())

    assert set(re.findall(r"--config-env (\w+)", PAGE)) <= set(config)


SECURITY = (sam.ROOT / "docs" / "security.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECURITY.splitlines()
    if line.startswith("| ") and not line.startswith("| threat")
]


def names_of_tests(*paths: str) -> set[str]:
    return {
        name
        for path in paths
        for file in (sam.ROOT / "tests").glob(path)
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }


TESTS_OF_SECURITY = set(re.findall(r"`(test_\w+)`", SECURITY))


def test_every_test_that_the_page_on_security_names_exists() -> None:
    assert TESTS_OF_SECURITY - names_of_tests("**/test_*.py") == set()


def test_every_threat_has_a_defence_and_a_test() -> None:
    for threat, defence, tests in ROWS:
        assert threat
        assert defence
        assert re.fullmatch(r"`test_\w+`(, `test_\w+`)*", tests), threat


def test_every_test_that_the_page_on_security_names_is_of_a_threat() -> None:
    assert {name for *_, tests in ROWS for name in tests.strip("`").split("`, `")} == (
        TESTS_OF_SECURITY
    )


def test_every_attack_that_is_tried_is_on_the_page_on_security() -> None:
    attacks = names_of_tests("faults/test_attacks.py")

    assert attacks
    assert attacks <= TESTS_OF_SECURITY


def test_every_parameter_that_the_page_on_security_names_exists() -> None:
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z][A-Za-z]+)(?:=[^`]*)?`", SECURITY))

    assert named <= set(read()["Parameters"])
    assert {"TokenIv", "TokenReuse", "RequireToken", "SecretOverlap"} <= named


DECISIONS = (sam.ROOT / "docs" / "decisions.md").read_text()


def test_every_decision_is_a_numbered_dated_record() -> None:
    _, *records = re.split(r"^## ", DECISIONS, flags=re.MULTILINE)
    numbers = []
    for record in records:
        heading, text = record.split("\n", 1)
        numbers.append(heading[:4])
        form = (
            r"\n\d{4}-\d\d-\d\d · (Accepted|Rejected|Superseded by (?P<by>\d{4}))\n\n"
            r"\*\*Context\.\*\* .+\n\*\*Decision\.\*\* .+\n\*\*Consequences\.\*\* .+"
        )
        shape = re.fullmatch(form, text.rstrip(), re.DOTALL)
        assert shape, heading
        assert shape["by"] is None or f"\n## {shape['by']} " in DECISIONS, heading
    assert numbers == [f"{number:04}" for number in range(1, len(records) + 1)]


def links(page: Path) -> set[str]:
    return set(re.findall(r"\]\(([^)#]+)[^)]*\)", without_code(page)))


def test_the_index_lists_every_document() -> None:
    folder = sam.ROOT / "docs"
    documents = {path.name for path in folder.glob("*.md")} - {"README.md"}

    assert documents | {"openapi.json", "schemas"} <= links(folder / "README.md")
    assert "docs/README.md" in links(sam.ROOT / "README.md")


def test_the_architecture_names_every_module_of_the_code_and_no_other() -> None:
    page = (sam.ROOT / "docs" / "architecture.md").read_text()
    _, rows = page.split("| module |")
    named = re.findall(r"^\| `(\w+)` \|", rows.split("\n\n")[0], re.MULTILINE)
    code = sam.ROOT / "layers" / "shared" / "python" / "roomle_mail"

    assert sorted(named) == sorted(path.stem for path in code.glob("[!_]*.py"))
    # So does the package itself.
    assert set(re.findall(r"`(\w+)`", roomle_mail.__doc__ or "")) == set(named)


CONTRIBUTING = (sam.ROOT / "CONTRIBUTING.md").read_text()


def test_every_file_that_the_page_on_contributing_names_exists() -> None:
    roots = {path.name for path in sam.ROOT.iterdir()}
    # Other languages and versions have an example.
    named = {
        each
        for each in re.findall(r"`([\w./*-]+)`", CONTRIBUTING)
        if each.split("/")[0] in roots - {"build", ".local"}  # what is made
    }

    assert len(named) > len(roots & named)
    assert [each for each in named if not any(sam.ROOT.glob(each))] == []


def test_every_folder_of_tests_is_on_the_page_on_contributing() -> None:
    named = set(re.findall(r"^\| `tests/(\w+)` \|", CONTRIBUTING, re.MULTILINE))
    folders = {path.name for path in (sam.ROOT / "tests").iterdir() if path.is_dir()}

    assert named == {each for each in folders if not each.startswith("__")}


WORKFLOW = yaml.safe_load((sam.ROOT / ".github" / "workflows" / "test.yml").read_text())


def test_github_runs_the_commands_of_the_readme_on_both_architectures() -> None:
    job = WORKFLOW["jobs"]["test"]
    run = [step["run"] for step in job["steps"] if "run" in step]

    assert run == ["make test", "make demo ONCE=1"]
    for command in run:
        assert re.search(rf"(^ +|`){command}(`|$)", README, re.MULTILINE)
    assert job["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]


def test_github_runs_the_campaigns_each_week() -> None:
    job = WORKFLOW["jobs"]["proof"]

    assert [step["run"] for step in job["steps"] if "run" in step] == ["make proof"]
    assert "schedule" in job["if"]


def test_github_runs_only_pinned_actions_and_may_only_read() -> None:
    used = [
        step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step
    ]

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_every_lock_says_how_it_was_compiled() -> None:
    # Dependabot reads there how to compile it.
    locks = [path for path in sam.ROOT.glob("[!.]*/**/*.txt") if path.with_suffix(".in").is_file()]

    assert locks
    for lock in locks:
        assert "uv pip compile --universal --python-version 3.13" in lock.read_text()[:200], lock


def test_dependabot_looks_after_every_lock() -> None:
    (locks,) = re.findall(
        r"^LOCKS := (.*?)\n\S", (sam.ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL
    )
    peers = re.findall(r"\$\(foreach peer,([\w ]+),", locks)[0].split()
    named = {
        f"/{path.rpartition('/')[0]}" for path in re.findall(r"(?:layers|requirements)/\S+", locks)
    }
    python, npm, actions = yaml.safe_load((sam.ROOT / ".github" / "dependabot.yml").read_text())[
        "updates"
    ]

    assert set(python["directories"]) == named | {f"/bench/peers/{peer}" for peer in peers}
    assert npm["directory"] == f"/{html_checker.LOCKED.relative_to(sam.ROOT)}"
    ecosystems = [each["package-ecosystem"] for each in (python, npm, actions)]
    assert ecosystems == ["uv", "npm", "github-actions"]
