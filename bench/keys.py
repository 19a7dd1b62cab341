"""Time the verification of a token in the function's own interpreter and environment.

Usage, in the function's folder: python -c "<this>" RESULT API_KEY SECRET COUNT ...

For each COUNT the token belongs to the last of that many keys. The fastest of many loops is the one
that nothing interrupted.
"""

import json
import sys
import timeit
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from roomle_mail.tokens import Credential, decode, verify

LOOPS, TIMES = 100, 200
api_key, secret = sys.argv[2], sys.argv[3].encode()
stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
text = pad(f"{stamp};anonymous;{api_key}".encode(), 16)
header = "01-" + b64encode(AES.new(secret, AES.MODE_CBC, iv=bytes(16)).encrypt(text)).decode()
algorithms = frozenset({"01"})
result = {}
for count in map(int, sys.argv[4:]):
    others = [Credential(f"another{n}", b"another-key-%04d" % n) for n in range(count - 1)]
    keys = (*others, Credential(api_key, secret))

    def one(keys: tuple[Credential, ...] = keys) -> None:
        """Decode and verify one token."""
        token = decode(header, algorithms=algorithms)
        verify(token, keys, iv="fixed")

    times = max(TIMES // count, 5)
    result[count] = min(timeit.repeat(one, number=times, repeat=LOOPS)) / times
Path(sys.argv[1]).write_text(json.dumps(result))
