"""The DynamoDB table: conditional writes that may be repeated.

botocore repeats a write whose answer got lost. So every item carries the stamp of its owner, which
is one invocation, and a failed condition on an item of one's own means that the write succeeded.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roomle_mail import errors
from roomle_mail.aws import aws_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    def open(cls, client: Any, name: str) -> Table:  # noqa: ANN401 (boto3's)
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
        # DynamoDB refuses an empty map.
        given = {"ExpressionAttributeValues": values} if values else {}
        with aws_errors():
            try:
                self.client.put_item(
                    TableName=self.name,
                    Item=item,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=_names(condition),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **given,
                )
            except self.client.exceptions.ConditionalCheckFailedException as err:
                found: Item | None = err.response.get("Item")
            else:
                return None
        if found is None:
            raise errors.OutcomeUnknown("IncompleteAnswer")
        return None if found["owner"]["S"] == self.owner else found

    def update(self, key: str, change: str, condition: str, values: Item) -> bool:
        """Change an item if `condition` holds, and return whether it did."""
        with aws_errors():
            try:
                self.client.update_item(
                    TableName=self.name,
                    Key={"key": {"S": key}},
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=_names(condition + change),
                    ExpressionAttributeValues=values,
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                return False
        return True


def _names(expression: str) -> dict[str, str]:
    # Many plain words are reserved (DynamoDB's page "Reserved words").
    return {name: name[1:] for name in _NAME.findall(expression)}
