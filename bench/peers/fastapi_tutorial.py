# The log-in at the end of the FastAPI tutorial, under uvicorn. Endpoints that the benchmark does not use are left out.
# SQLite has SQLAlchemy's defaults: a rollback journal and synchronous = FULL.
import json
import os
import socket
from datetime import datetime, timedelta, timezone

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import JWTError, jwt
from passlib.context import CryptContext
from pydantic import BaseModel
from sqlalchemy import Boolean, Column, Integer, String, create_engine
from sqlalchemy.orm import declarative_base, sessionmaker
from sqlalchemy.pool import NullPool
from uvicorn.supervisors import Multiprocess

SECRET_KEY = 'bench-Zk7Wd2mX9qLr4TfBv8HsYc3NpJg6EuAa'
# Half an hour in the tutorial; tokens must outlive a run of the benchmark.
TOKEN_LIFE = timedelta(hours=4)

# No pool, as SQLAlchemy 1.4 does by itself; later it has fifteen connections, for which an event loop cannot wait.
url = f"sqlite:///{os.environ['DATABASE']}"
engine = create_engine(url, connect_args={'check_same_thread': False}, poolclass=NullPool)
SessionLocal = sessionmaker(autocommit=False, autoflush=False, bind=engine)
Base = declarative_base()
crypt = CryptContext(schemes=['bcrypt'], bcrypt__rounds=12)
app = FastAPI()


class User(Base):
    __tablename__ = 'users'
    id = Column(Integer, primary_key=True)
    username = Column(String, unique=True, index=True)
    fullname = Column(String)
    password = Column(String)
    is_active = Column(Boolean, default=True)


class UserPublic(BaseModel):
    username: str
    fullname: str | None = None
    id: int
    is_active: bool

    class Config:
        # pydantic 1 reads orm_mode, pydantic 2 from_attributes.
        orm_mode = from_attributes = True


class Token(BaseModel):
    access_token: str
    token_type: str


def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()


def get_user_by_name(db, username):
    return db.query(User).filter(User.username == username).first()


def create_access_token(username):
    claims = {'sub': username, 'exp': datetime.now(timezone.utc) + TOKEN_LIFE}
    return jwt.encode(claims, SECRET_KEY, algorithm='HS256')


@app.post('/token', response_model=Token)
async def login(form_data: OAuth2PasswordRequestForm = Depends(), db=Depends(get_db)):
    user = get_user_by_name(db, form_data.username)
    if not user or not crypt.verify(form_data.password, user.password):
        raise HTTPException(401, 'Incorrect username or password', {'WWW-Authenticate': 'Bearer'})
    return {'access_token': create_access_token(user.username), 'token_type': 'bearer'}


# The chapter ends with the log-in. FastAPI's own tutorial, and this one, protect reads in this way.
async def get_current_user(token: str = Depends(OAuth2PasswordBearer(tokenUrl='token')), db=Depends(get_db)):
    try:
        user = get_user_by_name(db, jwt.decode(token, SECRET_KEY, algorithms=['HS256'])['sub'])
    except JWTError:
        user = None
    if not user:
        raise HTTPException(401, 'Could not validate credentials', {'WWW-Authenticate': 'Bearer'})
    return user


@app.get('/users/me', response_model=UserPublic)
async def read_me(user: User = Depends(get_current_user)):
    return user


def seed(people=100):
    Base.metadata.create_all(bind=engine)
    names = [f'user{n}' for n in range(1, people + 1)]
    password = crypt.hash('three quiet lanterns')
    with SessionLocal() as db:
        db.add_all([User(username=name, fullname=f'{name} of many', password=password) for name in names])
        db.commit()
    return [{'id': n, 'authorization': f'Bearer {create_access_token(name)}'} for n, name in enumerate(names, 1)]


if __name__ == '__main__':
    people = seed()
    # Like `uvicorn --workers 2`, which does not report its port to a parent process.
    config = uvicorn.Config('fastapi_tutorial:app', port=0, workers=2, access_log=False, log_level='warning')
    listener = config.bind_socket()
    # With workers, uvicorn does not set TCP_NODELAY, and each response waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen(config.backlog)
    print(json.dumps({'port': listener.getsockname()[1], 'people': people}), flush=True)
    Multiprocess(config, target=uvicorn.Server(config).run, sockets=[listener]).run()
