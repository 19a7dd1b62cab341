"""The DynamoDB table: conditional writes that may be repeated.

botocore repeats a write whose answer got lost. So every item carries the stamp of its owner, which
is one invocation, and a failed condition on the owner's item means that the write succeeded.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from roomle_mail import errors
from roomle_mail.aws import aws_errors

type Item = Mapping[str, Mapping[str, Any]]

_NAME = re.compile(r"#\w+")


@dataclass(frozen=True, slots=True)
class Table:
    """The table as one owner sees it, through boto3's client.

    In a condition each `#name` stands for that attribute. Every call may raise AwsCallFailed.
    """

    client: Any = field(repr=False)
    name: str
    owner: str

    @classmethod
    def open(cls, client: Any, name: str) -> Self:  # noqa: ANN401 (boto3's)
        """The table for a new owner."""
        return cls(client, name, os.urandom(16).hex())

    def get(self, key: str) -> Item | None:
        """The item as it is now, if there is one."""
        with aws_errors():
            answer = self.client.get_item(
                TableName=self.name, Key={"key": {"S": key}}, ConsistentRead=True
            )
        found: Item | None = answer.get("Item")
        return found

    def put(
        self, key: str, attributes: Item, condition: str, values: Item | None = None
    ) -> Item | None:
        """Put an item if `condition` holds: None if it did, else the item that is there."""
        item = {"key": {"S": key}, "owner": {"S": self.owner}, **attributes}
        given = {"Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        refusal = self._write(self.client.put_item, condition, values, **given)
        if refusal is None:
            return None
        found: Item | None = refusal.get("Item")
        if found is None:
            raise errors.OutcomeUnknown("IncompleteAnswer")
        # Another program than ours may have left its owner out.
        return None if found.get("owner") == {"S": self.owner} else found

    def update(self, key: str, change: str, condition: str, values: Item) -> bool:
        """Change an item if `condition` holds, and return whether it did."""
        given = {"Key": {"key": {"S": key}}, "UpdateExpression": change}
        return self._write(self.client.update_item, condition, values, **given) is None

    def update_own(self, key: str, change: str, values: Item) -> bool:
        """Change an item if it is this owner's, and return whether it is."""
        owner = {":owner": {"S": self.owner}}
        return self.update(key, change, "#owner = :owner", {**values, **owner})

    def _write(
        self, write: Callable[..., object], condition: str, values: Item | None, **given: object
    ) -> Mapping[str, Any] | None:
        """Write if `condition` holds: None if it did, else DynamoDB's refusal."""
        names = _names(f"{condition} {given.get('UpdateExpression', '')}")
        given |= {"ConditionExpression": condition, "ExpressionAttributeNames": names}
        # DynamoDB refuses an empty map.
        if values:
            given["ExpressionAttributeValues"] = values
        with aws_errors():
            try:
                write(TableName=self.name, **given)
            except self.client.exceptions.ConditionalCheckFailedException as err:
                refusal: Mapping[str, Any] = err.response
                return refusal
        return None


@cache  # there are a few expressions
def _names(expression: str) -> Mapping[str, str]:
    # Many plain words are reserved (DynamoDB's page "Reserved words").
    return {name: name[1:] for name in _NAME.findall(expression)}
