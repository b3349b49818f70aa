"""Where registers may lie, so that a test runs in each place: SQLite in the home, and a real PostgreSQL.

A test that asks for `place` runs twice. The PostgreSQL is the machine's own (Debian: package postgresql): one server for each
worker of a session, in a folder that is removed at the end, on a unix socket only, and with fsync off, since what it holds is
thrown away. It sorts text as people do, not by code points, so that an order that depends on the database shows. Without the
package, these tests are skipped and say so.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from groundrule.store.databases import let_go
from groundrule.store.home import Home
from groundrule.store.registers import Registers

ADMIN = "groundrule_tests"
WITH_PASSWORD = "with_password"
_HBA = f"local all {WITH_PASSWORD} scram-sha-256\nlocal all all trust\n"
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=200",
             "shared_buffers=32MB", "autovacuum=off", "wal_level=minimal", "max_wal_senders=0")  # fmt: skip
_UNPRIVILEGED = "nobody"


def folder_of_programs() -> Path | None:
    """Where initdb and postgres are, or None."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    return versions[-1].parent if versions else None


class Server:
    """A PostgreSQL that runs."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._run: dict[str, Any] = {"env": {**os.environ, "LC_ALL": "C.UTF-8"}, "cwd": folder}
        if os.getuid() == 0:
            user = pwd.getpwnam(_UNPRIVILEGED)
            self._run |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
        made = self._made(["--locale-provider=icu", "--icu-locale=en-US"]) or self._made(["--locale=C.UTF-8"])
        if not made:
            pytest.skip("PostgreSQL is there, and initdb does not work; these tests need it")
        (folder / "data" / "pg_hba.conf").write_text(_HBA)
        self.start()

    def _made(self, locale: list[str]) -> bool:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        told = [self.programs / "initdb", "-D", self.folder / "data", "-U", ADMIN, "-E", "UTF8", "--no-sync", "-A", "trust", *locale]
        return subprocess.run(told, check=False, capture_output=True, **self._run).returncode == 0

    def start(self) -> None:
        settings = [part for each in (*_SETTINGS, f"unix_socket_directories={self.folder}") for part in ("-c", each)]
        with (self.folder / "log").open("ab") as log:
            told = [self.programs / "postgres", "-D", self.folder / "data", *settings]
            self._process = subprocess.Popen(told, stdout=log, stderr=log, **self._run)
        for _ in range(200):
            try:
                self.run("SELECT 1")
            except sa.exc.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, *, crash: bool = False) -> None:
        """End it at once, as a power loss would, or in order."""
        assert self._process is not None
        (self._process.kill if crash else self._process.terminate)()
        if not crash:
            let_go()
        self._process.wait(60)

    def address(self, database: str = "postgres", user: str = ADMIN, **more: str) -> str:
        return sa.URL.create("postgresql+psycopg", username=user, database=database,
                             query={"host": str(self.folder)} | more).render_as_string()  # fmt: skip

    @contextmanager
    def connected(self, database: str = "postgres", user: str = ADMIN, *, commit: bool = False) -> Iterator[sa.Connection]:
        """A connection with nothing of ours; each statement for itself if `commit`."""
        level = {"isolation_level": "AUTOCOMMIT"} if commit else {}
        engine = sa.create_engine(self.address(database, user), poolclass=NullPool, **level)
        with engine.connect() as connection:
            yield connection

    def run(self, *statements: str, database: str = "postgres", user: str = ADMIN) -> None:
        with self.connected(database, user, commit=True) as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def new_database(self, like: str | None = None) -> str:
        name = f"registers_{next(self.numbers)}"
        if like is None:
            self.run(f"CREATE DATABASE {name}")
        else:
            let_go()
            self.run(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{like}'",
                f"CREATE DATABASE {name} TEMPLATE {like}",
            )
        return name


class Place:
    """Where homes of a test keep their registers."""

    def __init__(self, server: Server | None) -> None:
        self.server = server

    @property
    def is_postgres(self) -> bool:
        return self.server is not None

    def address(self) -> str | None:
        """A new address for one home; None is SQLite in the home."""
        return None if self.server is None else self.server.address(self.server.new_database())

    def url(self, folder: Path) -> str:
        """The same, for registers without a home."""
        return self.address() or f"sqlite:///{folder / 'registers.sqlite'}"

    def home(self, path: Path) -> Home:
        """An empty home with empty registers."""
        home = Home.create(path, registers=self.address())
        Registers.create(home).close()
        return home

    def copy_registers(self, home: Home) -> Home:
        """Give a home that was copied as files registers of its own, with the same content."""
        if self.server is None or home.registers is None:
            return home
        database = self.server.new_database(like=str(sa.make_url(home.registers).database))
        copied = Home(home.path, home.id, self.server.address(database))
        (home.path / "home.json").write_bytes(copied.description())
        return copied

    @contextmanager
    def inside(self, home: Home) -> Iterator[sa.Connection]:
        """What somebody has who gets at the database itself: all rights, and each statement for itself."""
        if self.server is not None:
            with self.server.connected(str(sa.make_url(home.registers_url).database), commit=True) as connection:
                yield connection
            return
        engine = sa.create_engine(home.registers_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection


@contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the block lasts.

    Raises:
        pytest.skip.Exception: there is no PostgreSQL.
    """
    pytest.importorskip("psycopg", reason="psycopg is not installed; the extra `postgres` has it")
    programs = folder_of_programs()
    if programs is None:
        pytest.skip("no PostgreSQL on this machine (Debian: package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="groundrule-pg-"))
    try:
        server = Server(programs, folder)
        try:
            yield server
        finally:
            let_go()
            server.stop(crash=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL, one for each worker."""
    with running() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """SQLite, then PostgreSQL."""
    return Place(request.getfixturevalue("postgres") if request.param == "postgresql" else None)
