"""Each test has a database of its own, and the fault tests a server of their own."""

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.support.postgres import PostgresServer, plain_url


@pytest.mark.parametrize("_round", [1, 2])
def test_a_database_carries_nothing_over_from_another_test(empty_database_url: str, _round: int) -> None:
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_over (id INTEGER)"))
    engine.dispose()


def test_its_own_server_keeps_what_was_committed_through_a_crash(postgres_server: PostgresServer) -> None:
    url = plain_url(postgres_server.create_database("kept"))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE promises AS SELECT 1 AS one")
    postgres_server.restart(crash=True)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT one FROM promises").fetchone() == (1,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_connections_to_a_server_can_be_cut(postgres_server: PostgresServer) -> None:
    with psycopg.connect(plain_url(postgres_server.url())) as connection:
        assert postgres_server.kill_connections() == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_stopped_server_refuses_connections(postgres_server: PostgresServer) -> None:
    postgres_server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(plain_url(postgres_server.url()))
