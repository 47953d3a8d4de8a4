"""Receive Civitas's webhooks: verify, remember, answer. Standard library only.

    WEBHOOK_SECRET=whsec_… python examples/webhook_receiver.py --port 9000

Civitas signs by Standard Webhooks 1.0.0; any of its libraries verifies the same.
"""

# ruff: noqa: TID251  # a partner has a clock of its own

import argparse
import base64
import hmac
import json
import os
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
MOST_BYTES = 64 * 1024


class NotAuthentic(Exception):
    """Not signed by Civitas with our secret, or not now."""


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Verify the signature over the bytes as they were received, before anything reads them."""
    try:
        webhook_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        signatures = headers["webhook-signature"].split()
        if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
            raise NotAuthentic("too old, or from the future")
    except (KeyError, ValueError) as error:
        raise NotAuthentic("headers") from error
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    # There are two signatures while the secret is being replaced: any one will do.
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise NotAuthentic("signature")


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is authentic, 400 to everything else."""

    secret = ""
    seen: set[str] = set()  # noqa: RUF012  # a real receiver keeps them in its database

    def do_POST(self) -> None:
        """Take one webhook."""
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(min(length, MOST_BYTES))
        try:
            # Names of headers are lower-cased: HTTP does not tell them apart.
            headers = {name.lower(): value for name, value in self.headers.items()}
            verify_webhook(self.secret, headers, body, now=time.time())
        except NotAuthentic:
            self._answer(400)
            return
        if headers["webhook-id"] not in self.seen:  # the same webhook may come twice
            self.seen.add(headers["webhook-id"])
            event = json.loads(body)
            print(event["type"], json.dumps(event["data"]), flush=True)
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


def main() -> None:
    """Listen."""
    parser = argparse.ArgumentParser(description="Receive Civitas's webhooks.")
    parser.add_argument("--port", type=int, default=9000)
    Receiver.secret = os.environ["WEBHOOK_SECRET"]
    port = parser.parse_args().port
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
