import os
from typing import Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

LATCHKEY = os.environ.get("LATCHKEY", "http://localhost:3000")
# Fetched for the first token, cached, and fetched again when a token names an unknown key.
keys = jwt.PyJWKClient(f"{LATCHKEY}/.well-known/jwks.json")
bearer = HTTPBearer(auto_error=False)


def user(credentials: HTTPAuthorizationCredentials | None = Depends(bearer)) -> dict[str, Any]:
    """The claims of a good access token. Not async: FastAPI runs it on a thread, as fetching the keys waits."""
    try:
        token = credentials.credentials if credentials else ""
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        key = keys.get_signing_key_from_jwt(token).key
        required = {"require": ["exp", "iat", "sub"]}
        return jwt.decode(token, key, ["ES256"], options=required, issuer=LATCHKEY, audience=LATCHKEY)
    except jwt.PyJWTError:
        raise HTTPException(401, "invalid_token", {"WWW-Authenticate": "Bearer"})


app = FastAPI()


@app.get("/hello")
def hello(user: dict[str, Any] = Depends(user)) -> dict[str, Any]:
    return {"user_id": user["sub"], "role": user["role"]}
