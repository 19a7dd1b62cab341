"""What holds of all tests."""

import ast
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# A busy machine stretches what these tell. A processor's own time it does not.
CLOCKS = {".monotonic", ".monotonic_ns", ".perf_counter", ".perf_counter_ns", ".seconds"}


def about_seconds(source: str) -> Iterator[str]:
    """The functions with an assertion on a duration, except proofs."""
    if not any(clock in source for clock in CLOCKS):
        return
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        marks = {ast.unparse(each) for each in function.decorator_list}
        clocks = set(CLOCKS)
        for statement in ast.walk(function):
            if isinstance(statement, ast.Assign) and names_in(statement.value) & clocks:
                clocks |= {name for target in statement.targets for name in names_in(target)}
        asserted = {
            name
            for statement in ast.walk(function)
            if isinstance(statement, ast.Assert)
            for name in names_in(statement)
        }
        if asserted & clocks and "pytest.mark.proof" not in marks:
            yield function.name


def names_in(node: ast.AST) -> set[str]:
    """The names in it, and its attributes after a dot."""
    nodes = list(ast.walk(node))
    names = {each.id for each in nodes if isinstance(each, ast.Name)}
    return names | {f".{each.attr}" for each in nodes if isinstance(each, ast.Attribute)}


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_only_proofs_assert_on_seconds(path: Path) -> None:
    assert list(about_seconds(path.read_text())) == []


@pytest.mark.parametrize(
    ("assertion", "found"),
    [
        ("assert time.monotonic() - began < 2", True),
        ("assert 1 < perf.perf_counter() - began", True),
        ("assert all(answer.seconds < 3 for answer in answers)", True),
        ("took = time.monotonic() - began; assert took < 2", True),
        ("assert time.process_time() - began < 5", False),
        ("assert calls == 3", False),
    ],
)
def test_an_assertion_about_seconds_is_found(assertion: str, *, found: bool) -> None:
    test = f"def test_it() -> None:\n    {assertion}\n"

    assert bool(list(about_seconds(test))) is found
    assert list(about_seconds(f"@pytest.mark.proof\n{test}")) == []


def test_every_folder_with_tests_is_run(pytestconfig: pytest.Config) -> None:
    with_tests = {str(path.parent.relative_to(TESTS.parent)) for path in TESTS.rglob("test_*.py")}
    assert with_tests == set(pytestconfig.getini("testpaths"))


def test_a_unit_test_connects_to_nothing() -> None:
    # pytest-socket warns first, and here a warning is an error.
    with pytest.raises(UserWarning, match="tried to use socket"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
