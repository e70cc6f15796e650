import os
from functools import wraps

import requests
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError
from flask import Flask, g, jsonify, request

LATCHKEY = os.environ.get("LATCHKEY", "http://localhost:3000")
CLAIMS = {
    "iss": {"essential": True, "value": LATCHKEY},
    "aud": {"essential": True, "value": LATCHKEY},
    "exp": {"essential": True},
    "sub": {"essential": True},
}
es256 = JsonWebToken(["ES256"])
keys = JsonWebKey.import_key_set({"keys": []})
app = Flask(__name__)


def find_key(header, _payload):
    """The key that a token names. Keys are kept, and fetched again when a token names a new one."""
    global keys
    if header.get("typ") != "at+jwt":
        raise ValueError("not an access token")
    try:
        return keys.find_by_kid(header.get("kid"))
    except ValueError:
        keys = JsonWebKey.import_key_set(requests.get(f"{LATCHKEY}/.well-known/jwks.json", timeout=5).json())
        return keys.find_by_kid(header.get("kid"))


def with_token(view):
    """Lets only requests with a good access token pass; `g.user` is its claims."""

    @wraps(view)
    def guarded(*args, **kwargs):
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            g.user = es256.decode(token if kind.lower() == "bearer" else "", find_key, claims_options=CLAIMS)
            g.user.validate()
        except (JoseError, ValueError):
            return jsonify(error="invalid_token"), 401, {"WWW-Authenticate": "Bearer"}
        return view(*args, **kwargs)

    return guarded


@app.get("/hello")
@with_token
def hello():
    return jsonify(user_id=g.user["sub"], role=g.user["role"])
