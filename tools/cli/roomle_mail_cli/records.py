"""DNS records, as resolved on this machine."""

from __future__ import annotations

from typing import Any, Protocol

# Seconds for one query, for all name servers together.
PATIENCE = 3.0


class DnsUnavailableError(Exception):
    """The DNS query failed; the text says why."""


class Records(Protocol):
    """Finds records by name. The list is empty if there are none; raises DnsUnavailableError."""

    def knows(self, name: str) -> bool:
        """Whether the name exists, or one below it."""

    def txt(self, name: str) -> list[str]:
        """The TXT records of a name, each joined into one text."""

    def mx(self, name: str) -> list[str]:
        """The mail servers of a name."""


class Dns:
    """The DNS. After one time-out it is not asked again, so that `doctor` does not take long."""

    def __init__(self, nameserver: tuple[str, int] | None = None) -> None:
        self._nameserver = nameserver
        self._failure = ""

    def knows(self, name: str) -> bool:
        """Whether the name exists, or one below it; raises DnsUnavailableError."""
        return self._ask(name, "TXT") is not None

    def txt(self, name: str) -> list[str]:
        """The TXT records of a name, each joined into one text; raises DnsUnavailableError."""
        found = self._ask(name, "TXT") or []
        return [b"".join(each.strings).decode("utf-8", "replace") for each in found]

    def mx(self, name: str) -> list[str]:
        """The mail servers of a name; raises DnsUnavailableError."""
        found = self._ask(name, "MX") or []
        servers = [each.exchange.to_text(omit_final_dot=True) for each in found]
        # A single dot means that the name accepts no mail (RFC 7505).
        return [each for each in servers if each.strip("@.")]

    def _ask(self, name: str, kind: str) -> list[Any] | None:
        """The records; None if the name does not exist."""
        # Only `doctor` needs the DNS.
        from dns import exception, resolver  # noqa: PLC0415

        if self._failure:
            raise DnsUnavailableError(self._failure)
        try:
            asked = resolver.Resolver(configure=self._nameserver is None)
            if self._nameserver is not None:
                asked.nameservers, asked.port = [self._nameserver[0]], self._nameserver[1]
            answer = asked.resolve(f"{name}.", kind, lifetime=PATIENCE, raise_on_no_answer=False)
        except resolver.NXDOMAIN:
            return None
        except resolver.NoNameservers as err:
            # The answer came quickly, and may be about this name only.
            raise DnsUnavailableError(f"the DNS could not be asked: {err}") from err
        except (exception.DNSException, OSError, ValueError) as err:
            self._failure = f"the DNS could not be asked: {err}"
            raise DnsUnavailableError(self._failure) from err
        return list(answer)
