"""A gradual deployment: how SAM transforms the template that tools.gradual writes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import gradual, sam


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The resources after SAM's transformation."""
    template = tmp_path_factory.mktemp("gradual") / "template.yaml"
    text = gradual.TEMPLATE.read_text()
    template.write_text(gradual.gradual(text, "Canary10Percent5Minutes", release="1"))
    script = Path(__file__).with_name("sam_transform.py")

    finished = subprocess.run(
        [*sam.command()[:-1], "python", script, template],
        env=sam.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert finished.returncode == 0, finished.stderr
    resources: dict[str, Any] = json.loads(finished.stdout)["Resources"]
    return resources


def of_type(made: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in made.items() if r["Type"] == kind}


@pytest.mark.parametrize("function", gradual.ALARMS)
def test_a_new_version_takes_over_by_a_canary(made: dict[str, Any], function: str) -> None:
    alias = made[f"{function}Alias{gradual.ALIAS}"]
    group = made[f"{function}DeploymentGroup"]["Properties"]

    assert alias["Properties"]["FunctionName"] == {"Ref": function}
    update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["DeploymentGroupName"] == {"Ref": f"{function}DeploymentGroup"}
    name = group["DeploymentConfigName"]["Fn::Sub"]
    assert name == [
        "CodeDeployDefault.Lambda${ConfigName}",
        {"ConfigName": "Canary10Percent5Minutes"},
    ]


def test_all_of_a_mailer_is_left_out_together(made: dict[str, Any]) -> None:
    mailers = {name: r for name, r in made.items() if name.startswith("MailerFunction")}

    assert len(mailers) == 5  # function, version, alias, deployment group, trigger
    assert {resource["Condition"] for resource in mailers.values()} == {"WithMailer"}


@pytest.mark.parametrize(("function", "alarms"), gradual.ALARMS.items())
def test_an_alarm_takes_the_old_version_back(
    made: dict[str, Any], function: str, alarms: tuple[str, ...]
) -> None:
    group = made[f"{function}DeploymentGroup"]["Properties"]

    assert group["AlarmConfiguration"] == {
        "Enabled": True,
        "Alarms": [{"Name": {"Ref": alarm}} for alarm in alarms],
    }
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert set(alarms) <= set(of_type(made, "AWS::CloudWatch::Alarm"))


def test_api_gateway_and_the_queue_call_the_alias(made: dict[str, Any]) -> None:
    (api,) = of_type(made, "AWS::ApiGatewayV2::Api").values()
    post = api["Body"]["paths"]["/webhook"]["post"]
    (source,) = of_type(made, "AWS::Lambda::EventSourceMapping").values()

    uri = post["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    assert uri.endswith("/functions/${ReceiverFunctionAliaslive}/invocations")
    assert source["FunctionName"] == {"Ref": "MailerFunctionAliaslive"}


def test_no_resource_depends_on_itself(made: dict[str, Any]) -> None:
    names = set(made)

    def mentioned(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set().union(*map(mentioned, value.values())) if value else set()
        if isinstance(value, list):
            return set().union(*map(mentioned, value)) if value else set()
        text = str(value)
        return {name for name in names if text == name or f"${{{name}" in text}

    waits = {
        name: mentioned([r.get("Properties"), r.get("UpdatePolicy"), r.get("DependsOn")]) - {name}
        for name, r in made.items()
    }
    done: set[str] = set()
    while ready := {name for name in names - done if waits[name] <= done}:
        done |= ready
    assert names - done == set()


@pytest.mark.parametrize("function", gradual.ALARMS)
def test_each_deploy_makes_a_version(function: str) -> None:
    text = gradual.TEMPLATE.read_text()

    one, two = (gradual.gradual(text, "AllAtOnce", release=release) for release in ("1", "2"))

    assert one != two
    assert one.count("AutoPublishCodeSha256") == len(gradual.ALARMS)
    assert function in one


@pytest.mark.parametrize("function", gradual.ALARMS)
def test_versions_start_from_snapshots_only_where_that_is_asked_for(function: str) -> None:
    text = gradual.TEMPLATE.read_text()

    plain = gradual.gradual(text, "AllAtOnce", release="1")
    asked = gradual.gradual(text, "AllAtOnce", release="1", snap_start=True)

    assert "SnapStart" not in text + plain
    _, _, properties = asked.partition(f"  {function}:\n")
    head, _, _ = properties.partition("      SnapStart: { ApplyOn: PublishedVersions }\n")
    assert "Type: AWS::Serverless::Function" in head.splitlines()[0]
    assert head.count("Type: AWS::") == 1


def test_a_template_with_another_structure_is_refused() -> None:
    with pytest.raises(ValueError, match="ReceiverFunction"):
        gradual.gradual("Resources: {}\n", "AllAtOnce", release="1")
