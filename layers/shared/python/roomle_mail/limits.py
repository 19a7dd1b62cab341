"""How many emails may be sent in an hour: to one recipient, and by the whole stack.

Items, by the start of their `key`: `limit#` for one recipient, `cap#` for a share of the stack's
places, each for one clock hour. Times are in seconds since the epoch. Every call may raise
AwsCallFailed.
"""

from dataclasses import dataclass

from roomle_mail.table import Item, Table

# DynamoDB takes a thousand writes a second for one item (its page "Best practices for designing and
# using partition keys effectively").
SHARDS = 10
_HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Limits:
    """The places that are taken in the table."""

    table: Table

    def reserve_recipient(self, recipient: str, *, limit: int, now: float) -> bool:
        """Take one of a recipient's places in this hour; False if there is none left.

        A place is the owner's stamp in a set, so a repeated write takes no second one.
        """
        mine: Item = {":mine": {"SS": [self.table.owner]}, ":owner": {"S": self.table.owner}}
        free = (
            "attribute_not_exists(#places) OR size(#places) < :limit OR contains(#places, :owner)"
        )
        return self._add(f"limit#{recipient}", "#places :mine", free, mine, limit=limit, now=now)

    def give_back_recipient(self, recipient: str, *, now: float) -> None:
        """Give the recipient's place back, if it was taken."""
        change, exists = "DELETE #places :mine", "attribute_exists(#places)"
        mine = {":mine": {"SS": [self.table.owner]}}
        self.table.update(_key(f"limit#{recipient}", now), change, exists, mine)

    def reserve_stack(self, *, limit: int, now: float) -> str | None:
        """Take one of the stack's places in this hour: where it is, or None if there is none left.

        The places are shared out over several items, which are tried in turn from a random one on.
        Each is a plain number: a set of so many stamps would not fit into an item. A place lost to
        a repeated write only makes Roomle send its own emails a little earlier.
        """
        free, one = "attribute_not_exists(#taken) OR #taken < :limit", {":one": {"N": "1"}}
        shards, first = min(limit, SHARDS), int(self.table.owner, 16)
        for step in range(shards):
            shard = (first + step) % shards
            share = limit // shards + (shard < limit % shards)
            place = f"cap#{shard}"
            if self._add(place, "#taken :one", free, one, limit=share, now=now):
                return place
        return None

    def give_back_stack(self, place: str, *, now: float) -> None:
        """Give the stack's place back."""
        values = {":minus": {"N": "-1"}, ":none": {"N": "0"}}
        self.table.update(_key(place, now), "ADD #taken :minus", "#taken > :none", values)

    def _add(
        self, whose: str, place: str, free: str, values: Item, *, limit: int, now: float
    ) -> bool:
        expires = {"N": str(int(now + 2 * _HOUR))}
        values = {**values, ":limit": {"N": str(limit)}, ":expires": expires}
        change = f"ADD {place} SET #expires = :expires"
        return self.table.update(_key(whose, now), change, free, values)


def _key(whose: str, now: float) -> str:
    return f"{whose}#{int(now // _HOUR)}"
