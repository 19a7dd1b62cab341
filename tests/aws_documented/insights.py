"""CloudWatch Logs Insights' queries, read by the grammar in insights.lark."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import LarkError

from tests.aws_documented import FOLDER, read

DOCUMENTED = read("cloudwatch.toml")["insights"]
LONGEST_LIMIT = 10_000


class QueryInvalid(ValueError):
    """Logs Insights would refuse the query, or find nothing with it."""


@dataclass
class Query:
    """The names in a query: fields of log lines, and fields that it creates."""

    fields: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)


def parse(text: str) -> Query:
    """Read a query; raises QueryInvalid."""
    try:
        tree = _grammar().parse(text)
    except LarkError as err:
        raise QueryInvalid(str(err)) from err
    query = Query()
    for command in tree.children:
        assert isinstance(command, Tree)
        _check_calls(command)
        _check_fields(command, query)
    return query


@cache
def _grammar() -> Lark:
    return Lark((FOLDER / "insights.lark").read_text(), start="query", parser="lalr")


def _check_calls(command: Tree[Token]) -> None:
    for kind, known in (("call", "functions"), ("aggregation", "aggregations")):
        for call in command.find_data(kind):
            name, *values = call.children
            if name not in DOCUMENTED[known]:
                raise QueryInvalid(f"unknown function {name}")
            least, most = DOCUMENTED[known][name]
            if not least <= len(values) <= most:
                raise QueryInvalid(f"{name} takes {least} to {most} values")


def _check_fields(command: Tree[Token], query: Query) -> None:
    named = {_text(each) for each in command.find_data("field")}
    for name in named:
        if name.startswith("@") and name not in DOCUMENTED["fields"]:
            raise QueryInvalid(f"Logs Insights discovers no field {name}")
    if command.data == "limit" and not 1 <= int(_text(command)) <= LONGEST_LIMIT:
        raise QueryInvalid("a limit is from 1 to 10,000")
    if query.made and (unknown := named - query.made):
        raise QueryInvalid(f"stats leaves no field {', '.join(sorted(unknown))}")
    query.fields |= {name for name in named - query.made if not name.startswith("@")}
    if command.data == "stats":
        grouped = {_text(each) for group in command.find_data("group") for each in group.children}
        query.made = {_text(each) for each in command.find_data("made")} | grouped


def _text(tree: Any) -> str:
    return str(tree.children[0])
