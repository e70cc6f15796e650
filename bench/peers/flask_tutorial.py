# The Flask tutorial at its end: per-user rows behind flask-jwt-extended, under gunicorn. Endpoints that the benchmark
# does not use are left out. SQLite has SQLAlchemy's defaults: a rollback journal and synchronous = FULL.
import json
import os
import socket
import sys
from datetime import timedelta

from flask import Flask, jsonify, request
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from passlib.hash import bcrypt
from sqlalchemy import Column, ForeignKey, Integer, String, create_engine
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

app = Flask(__name__)
app.config['SECRET_KEY'] = 'bench-Zk7Wd2mX9qLr4TfBv8HsYc3NpJg6EuAa'
jwt = JWTManager(app)
engine = create_engine(f"sqlite:///{os.environ['DATABASE']}")
session = scoped_session(sessionmaker(autocommit=False, autoflush=False, bind=engine))
Base = declarative_base()
Base.query = session.query_property()


class User(Base):
    __tablename__ = 'users'
    id = Column(Integer, primary_key=True)
    name = Column(String(250), nullable=False)
    email = Column(String(250), nullable=False, unique=True)
    password = Column(String(100), nullable=False)

    def get_token(self, expire_time=24):
        # The tutorial puts the id into `sub` as a number, which PyJWT rejects since 2.10.
        return create_access_token(identity=str(self.id), expires_delta=timedelta(expire_time))

    @classmethod
    def authenticate(cls, email, password):
        user = cls.query.filter(cls.email == email).one()
        if not bcrypt.verify(password, user.password):
            raise Exception('No user with this password')
        return user


class Video(Base):
    __tablename__ = 'videos'
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey('users.id'))
    name = Column(String(250), nullable=False)
    description = Column(String(500), nullable=False)

    def serialize(self):
        return {'id': self.id, 'user_id': self.user_id, 'name': self.name, 'description': self.description}


@app.route('/tutorials', methods=['GET'])
@jwt_required()
def get_list():
    videos = Video.query.filter(Video.user_id == int(get_jwt_identity())).all()
    return jsonify([video.serialize() for video in videos])


@app.route('/tutorials', methods=['POST'])
@jwt_required()
def update_list():
    new_one = Video(user_id=int(get_jwt_identity()), **request.json)
    session.add(new_one)
    session.commit()
    return jsonify(new_one.serialize())


@app.route('/login', methods=['POST'])
def login():
    return {'access_token': User.authenticate(**request.json).get_token()}


@app.teardown_appcontext
def shutdown_session(exception=None):
    session.remove()


def seed(people=200, rows=20):
    Base.metadata.create_all(bind=engine)
    password = bcrypt.using(rounds=12).hash('three quiet lanterns')
    users = [User(id=n, name=f'User {n}', email=f'user{n}@example.com', password=password) for n in range(1, people + 1)]
    session.add_all(users)
    # Inserted in turn, so that the rows of one user lie apart, as in production.
    for n in range(people * rows):
        session.add(Video(user_id=1 + n % people, name=f'Water the plants, all {n}', description='The fern in the hall too'))
    session.commit()
    with app.app_context():
        return [{'id': user.id, 'authorization': f'Bearer {user.get_token()}'} for user in users]


if __name__ == '__main__':
    people = seed()
    listener = socket.create_server(('127.0.0.1', 0))
    listener.set_inheritable(True)
    print(json.dumps({'port': listener.getsockname()[1], 'people': people}), flush=True)
    options = ['--workers', '2', '--log-level', 'warning', '--bind', f'fd://{listener.fileno()}']
    os.execv(sys.executable, [sys.executable, '-m', 'gunicorn', *options, 'flask_tutorial:app'])
