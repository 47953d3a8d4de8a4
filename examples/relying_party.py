"""Sign in with Civitas, in forty lines: python examples/relying_party.py http://localhost:8000"""

import secrets
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

issuer, port = sys.argv[1], 8002
redirect_uri = f"http://localhost:{port}/callback"
metadata = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
registration = {"client_name": "Example", "redirect_uris": [redirect_uri], "scope": "openid profile"}
registered = httpx.post(metadata["registration_endpoint"], json=registration).json()
client = OAuth2Client(
    registered["client_id"], registered["client_secret"], scope="openid profile",
    redirect_uri=redirect_uri, code_challenge_method="S256",
)  # fmt: skip
nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
endpoint = metadata["authorization_endpoint"]
url, state = client.create_authorization_url(endpoint, code_verifier=verifier, nonce=nonce)
print("Open", url, flush=True)


class Callback(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.answer = f"http://localhost:{port}{self.path}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this window.")


with HTTPServer(("127.0.0.1", port), Callback) as server:
    server.handle_request()
token = client.fetch_token(metadata["token_endpoint"], authorization_response=server.answer,
                           state=state, code_verifier=verifier)  # fmt: skip
keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"]).json())
claims = jwt.decode(token["id_token"], keys, ["ES256", "RS256"]).claims
jwt.JWTClaimsRegistry(iss={"value": issuer}, aud={"value": client.client_id}, nonce={"essential": True, "value": nonce}).validate(claims)
print("Signed in as", claims["sub"])
