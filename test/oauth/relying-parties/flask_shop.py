# A Flask application that logs users in as Authlib's documentation shows.
import os
from urllib.parse import urlencode

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, session

app = Flask(__name__)
app.secret_key = os.urandom(32)
here = f"http://127.0.0.1:{os.environ['PORT']}"


def update_token(name, token, refresh_token=None, access_token=None):
    session["token"] = {**session["token"], **token}


oauth = OAuth(app, update_token=update_token)
oauth.register(
    "latchkey",
    client_id="shop",
    client_secret=os.environ["SECRET"],
    server_metadata_url=f"{os.environ['ISSUER']}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email offline_access", "code_challenge_method": "S256"},
)


@app.get("/")
def home():
    return jsonify(user=session.get("user"))


@app.get("/login")
def login():
    return oauth.latchkey.authorize_redirect(f"{here}/callback")


@app.get("/callback")
def callback():
    token = oauth.latchkey.authorize_access_token()
    session["user"] = token.pop("userinfo")
    session["token"] = token
    return redirect("/")


@app.get("/userinfo")
def userinfo():
    return jsonify(oauth.latchkey.userinfo(token=session["token"]))


@app.get("/refresh")
def refresh():
    # Authlib refreshes expired tokens by itself.
    before = session["token"]["access_token"]
    answer = oauth.latchkey.userinfo(token={**session["token"], "expires_at": 1})
    return jsonify(**answer, is_new=session["token"]["access_token"] != before)


@app.get("/logout")
def logout():
    end = oauth.latchkey.load_server_metadata()["end_session_endpoint"]
    query = {"id_token_hint": session["token"]["id_token"], "post_logout_redirect_uri": f"{here}/", "client_id": "shop"}
    session.clear()
    return redirect(f"{end}?{urlencode(query)}")
