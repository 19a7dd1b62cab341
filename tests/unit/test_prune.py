"""What the layer's build cuts changes nothing for what is used."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from pydantic_core import SchemaValidator, ValidationError, core_schema

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("prune", ROOT / "layers/dependencies/prune.py")
assert SPEC
assert SPEC.loader
prune = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(prune)

CALLED = [
    (service, operation)
    for service, (_, operations) in prune.OPERATIONS.items()
    for operation in operations
]


def described(shape: Shape | None, above: tuple[str, ...] = ()) -> object:
    """All that botocore knows about a shape, except texts for people."""
    if shape is None or shape.name in above:
        return shape and shape.name
    above = (*above, shape.name)
    known = {"name": shape.name, "type": shape.type_name, **shape.metadata, **shape.serialization}
    if isinstance(shape, StructureShape):
        known["members"] = {name: described(each, above) for name, each in shape.members.items()}
    if isinstance(shape, ListShape):
        known["member"] = described(shape.member, above)
    if isinstance(shape, MapShape):
        known["key"], known["value"] = described(shape.key, above), described(shape.value, above)
    return known


@pytest.mark.parametrize(("service", "operation"), CALLED)
def test_a_used_operation_is_described_as_before(service: str, operation: str) -> None:
    whole: dict[str, Any] = Loader().load_service_model(service, "service-2")
    pruned = prune.of_operations(whole, prune.OPERATIONS[service][1])

    before, after = (
        ServiceModel(model, service).operation_model(operation) for model in (whole, pruned)
    )

    assert described(after.input_shape) == described(before.input_shape)
    assert described(after.output_shape) == described(before.output_shape)
    assert [described(each) for each in after.error_shapes] == [
        described(each) for each in before.error_shapes
    ]
    assert after.http == before.http
    assert after.auth_type == before.auth_type
    assert after.static_context_parameters == before.static_context_parameters
    assert pruned["metadata"] == whole["metadata"]
    assert pruned.get("clientContextParams") == whole.get("clientContextParams")


def test_no_documentation_is_left() -> None:
    model = {
        "documentation": "for people",
        "operations": {"Get": {"input": {"shape": "In"}, "documentation": "for people"}},
        "shapes": {
            "In": {"members": {"documentation": {"shape": "Text", "documentation": "for people"}}},
            "Text": {"type": "string"},
            "Unused": {"type": "string"},
        },
    }

    assert prune.of_operations(model, ["Get"]) == {
        "operations": {"Get": {"input": {"shape": "In"}}},
        "shapes": {
            "In": {"members": {"documentation": {"shape": "Text"}}},
            "Text": {"type": "string"},
        },
    }


def test_schemas_are_the_same_without_the_bodies_of_their_types() -> None:
    # GIVEN the module that makes pydantic's core schemas, and what the build leaves of it
    whole = vars(core_schema)
    cut: dict[str, Any] = {"__name__": "cut"}
    exec(prune.without_typed_dicts(inspect.getsource(core_schema)), cut)  # noqa: S102
    assert {name for name in whole if not name.startswith("__")} <= set(cut)

    # WHEN each kind of schema that needs no argument is made, THEN it is the same
    kinds = [
        name
        for name, function in inspect.getmembers(core_schema, inspect.isfunction)
        if name.endswith("_schema") and not required(function)
    ]
    assert {"bool_schema", "str_schema"} <= set(kinds)
    assert {name: cut[name]() for name in kinds} == {name: whole[name]() for name in kinds}

    # AND the core takes one that is made of several
    text = cut["nullable_schema"](cut["str_schema"](strict=True, max_length=5))
    fields = {"text": cut["typed_dict_field"](text, required=False)}
    validator = SchemaValidator(cut["typed_dict_schema"](fields, extra_behavior="allow"))
    assert validator.validate_python({"text": "x", "n": 1}) == {"text": "x", "n": 1}
    with pytest.raises(ValidationError):
        validator.validate_python({"text": "123456"})


def required(function: Callable[..., object]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters if each.default is each.empty]
