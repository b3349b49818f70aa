"""Wrong input, command by command: exit 2 (1 where the answer is a refusal), one clear line with what would be right, never a traceback."""

from __future__ import annotations

import shlex
import shutil
import socket
from dataclasses import dataclass

import pytest

from console import groundrule
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.store.home import Home
from small_home import make_home, run, stream

HEAD = "terminal_id,observed_at,lat_deg,lon_deg\n"
AT = "2026-03-02T10:00:00Z"
WRONG = (
    f"a,{AT},91,2\nb,{AT},nan,2\nc,{AT},5,inf\nd,{AT},5,181\ne,{AT},-90.0000001,0\n"
    f"f,nonsense,5,5\n,{AT},5,5\ng,{AT},5,\nh,{AT},1e400,5\n"
)
PASSWORDS = ("--passphrase-file", "good.txt")


@dataclass(frozen=True)
class Wrong:
    """A command line, and what must be said of it; HOME stands for a home."""

    line: str
    words: tuple[str, ...]
    code: int = 2

    def __str__(self) -> str:
        return self.line[:100]


def wrong(line: str, *words: str, code: int = 2) -> Wrong:
    return Wrong(line, words, code)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home, a backup of it, and everything that can be named by mistake, in the present folder."""
    folder = tmp_path_factory.mktemp("wrong")
    home = make_home(folder / "home", ledger=LedgerSetup())
    run(home, stream(1))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.delenv("GROUNDRULE_PASSPHRASE", raising=False)
        for name, text in {
            "file": "hello\n", "good.txt": "correct horse battery\n", "other.txt": "another horse battery\n", "short.txt": "x\n",
            "nothing.txt": "", "broken.toml": "= =", "type.toml": 'port = "x"\n', "unknown.toml": "nonsense = 1\n",
            "traces.toml": 'traces = "localhost"\n', "nobody.toml": 'host = "no.such.host.invalid"\nbehind_proxy = true\n',
            "pem.toml": 'certificate = "none.pem"\nprivate_key = "none.key"\n',
            "nopem.toml": 'certificate = "file"\nprivate_key = "file"\n',
            "wrong.csv": HEAD + WRONG, "mixed.csv": f"{HEAD}{WRONG}good,{AT},5,5\n",
        }.items():  # fmt: skip
            (folder / name).write_text(text)
        (folder / "folder").mkdir()
        (folder / "point").mkdir()
        (folder / "binary").write_bytes(bytes(range(256)) * 10)
        shutil.copytree(home.path, folder / "damaged")
        (folder / "damaged" / "home.json").write_text("{")
        made = groundrule("backup", "whole.gra", "--home", home.path, "--keys", "whole.keys", *PASSWORDS)
        assert made.code == 0, made
        data = (folder / "whole.gra").read_bytes()
        (folder / "half.gra").write_bytes(data[: len(data) // 2])
        at = data.index(b'"format"')  # in home.json or the manifest: any byte of content
        (folder / "flipped.gra").write_bytes(data[:at] + b"'" + data[at + 1 :])
        (folder / "half.keys").write_bytes((folder / "whole.keys").read_bytes()[:100])
    return home


@pytest.fixture
def here(place: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(place.path.parent)
    monkeypatch.delenv("GROUNDRULE_PASSPHRASE", raising=False)
    return place


HOMES = ("serve", "access login", "access key list", "access denied", "database show", "database roles", "upgrade", "backup new.gra",
         "snapshot merge --point point", "report import file", "ledger key show", "ledger key rotate", "explain car")  # fmt: skip
TABLE = (
    *(
        wrong(f"{command} --home {name}", "is not a groundrule home", "groundrule init")
        for command in HOMES for name in ("none", "folder", "file")
    ),
    *(wrong(f"{command} --home damaged", "home.json", "is damaged", "backup") for command in HOMES),
    # access
    wrong("access login --home HOME --role king", "no role `king`", "viewer"),
    wrong("access login --home HOME --role owner", "no accounts", "make a key"),
    wrong("access login --home HOME --settings none", "cannot read `none`"),
    wrong("access login --home HOME --settings folder", "cannot read `folder`"),
    wrong("access login --home HOME --settings binary", "is no text"),
    wrong("access login --home HOME --settings broken.toml", "line 1"),
    wrong("access key add n --home HOME --role king", "no role `king`"),
    wrong("access key add n --home HOME --role public", "no role `public`"),
    wrong("access key add n --home HOME --role owner", "without an account"),
    wrong("access key add n --home HOME --role owner --account ''", "without a name"),
    wrong("access key add n --home HOME --role regulator", "without a country"),
    wrong("access key add n --home HOME --role regulator --country Austria", "`Austria` is no code of a country", "UA"),
    wrong("access key add '' --home HOME --role viewer", "needs a name"),
    wrong(f"access key add {'n' * 500} --home HOME --role viewer", "needs a name"),
    wrong("access key add n --home HOME --role viewer --days 0", "--days"),
    wrong("access key revoke key-none --home HOME", "no key `key-none`"),
    wrong("access denied --home HOME --limit 0", "--limit"),
    wrong("access roles --home HOME", "--home"),
    # serve
    *(wrong(f"serve --home HOME --port {port}", "--port") for port in ("0", "70000", "abc")),
    wrong("serve --home HOME --port TAKEN", "cannot listen on 127.0.0.1", "--port"),
    wrong("serve --home HOME --host 0.0.0.0", "without HTTPS", "127.0.0.1"),
    wrong("serve --home HOME --settings nobody.toml", "`no.such.host.invalid` is no address", "--host"),
    wrong("serve --home HOME --settings pem.toml", "no file `none.pem`", "certificate"),
    wrong("serve --home HOME --settings nopem.toml", "no certificate with its key"),
    wrong("serve --home HOME --settings type.toml", "port", "docs/service.md"),
    wrong("serve --home HOME --settings unknown.toml", "nonsense", "docs/service.md"),
    wrong("serve --home HOME --settings traces.toml", "no address of an OpenTelemetry collector", "4318"),
    wrong("serve --home HOME --tenant x", "NAME=DIRECTORY"),
    wrong("serve --home HOME --tenant x=none", "is not a groundrule home"),
    wrong("serve --home HOME --tenant x=HOME", "the same home is named twice"),
    # database, upgrade
    wrong("database roles --home HOME", "SQLite"),
    wrong("upgrade --home HOME --as nobody", "SQLite", "--as"),
    # backup
    wrong("backup whole.gra --home HOME", "exists already"),
    wrong("backup folder --home HOME", "exists already"),
    wrong("backup none/new.gra --home HOME", "no folder `none`"),
    wrong("backup file/new.gra --home HOME", "no folder `file`"),
    wrong("backup HOME/new.gra --home HOME", "lies in the home"),
    wrong("backup new.gra --home HOME --keys none/keys --passphrase-file good.txt", "no folder `none`"),
    wrong("backup new.gra --home HOME --keys new.gra --passphrase-file good.txt", "cannot be both"),
    wrong("backup new.gra --home HOME --keys new.keys", "no passphrase", "--passphrase-file"),
    wrong("backup new.gra --home HOME --keys new.keys --passphrase-file short.txt", "1 characters", "12"),
    wrong("backup new.gra --home HOME --keys new.keys --passphrase-file nothing.txt", "empty passphrase"),
    wrong("backup new.gra --home HOME --keys new.keys --passphrase-file none", "`none`", "No such file"),
    # restore
    wrong("restore none --home new", "no file `none`"),
    wrong("restore folder --home new", "no file `folder`"),
    wrong("restore file --home new", "cannot be read to its end", "nothing was made", code=1),
    wrong("restore half.gra --home new", "cannot be read to its end", "nothing was made", code=1),
    wrong("restore flipped.gra --home new", "the backup cannot be used", "nothing was made", code=1),
    wrong("restore whole.gra --home HOME", "is not empty", "new folder"),
    wrong("restore whole.gra --home file", "`file`"),
    wrong("restore whole.gra --home new --keys none", "--keys", "no file `none`"),
    wrong("restore whole.gra --home new --keys folder --passphrase-file good.txt", "no file `folder`"),
    wrong("restore whole.gra --home new --keys whole.keys", "no passphrase"),
    wrong("restore whole.gra --home new --keys whole.keys --passphrase-file other.txt", "do not open", "another passphrase"),
    wrong("restore whole.gra --home new --keys half.keys --passphrase-file good.txt", "do not open"),
    wrong("restore whole.gra --home new --keys binary --passphrase-file good.txt", "no file of keys"),
    wrong("restore whole.gra --home new --digest abc", "another backup", code=1),
    wrong("restore whole.gra --home new --pinned none", "--pinned", "no file `none`"),
    wrong("restore whole.gra --home new --pinned file", "pinned checkpoint 1", code=1),
    wrong("restore whole.gra --home new --policy folder", "--policy", "no file `folder`"),
    wrong("restore whole.gra --home new --policy file", "line 1 of the policy"),
    wrong("restore whole.gra --home new --registers nonsense", "for example: postgresql+psycopg://"),
    wrong("restore whole.gra --home new --registers mysql://x/y", "`mysql://` are not known"),
    # decide --point
    wrong("decide wrong.csv --point none", "no enforcement point at `none`"),
    wrong("decide wrong.csv --point file", "no enforcement point at `file`"),
    wrong("decide wrong.csv --point point", "no observation could be used"),
    wrong("decide wrong.csv --home HOME", "no observation could be used", "out_of_range"),
    wrong("decide none --point point", "none"),
    wrong("decide binary --point point", "no known format", ".csv"),
    wrong("decide mixed.csv --point point --out folder", "cannot write `folder`"),
    wrong("decide mixed.csv --home HOME --out folder", "cannot write `folder`"),
    wrong("decide mixed.csv --home HOME --out file/new.parquet", "cannot write `file/new.parquet`"),
    wrong("decide mixed.csv --point point --as-of nonsense", "is not a time"),
    wrong("decide mixed.csv --point point --time-unit h", "is not a unit of time"),
    wrong("decide mixed.csv --point point --columns nonsense", "theirs=ours"),
    # snapshot
    wrong("snapshot merge --home HOME --point none", "no enforcement point at `none`"),
    wrong("snapshot merge --home HOME --point file", "no enforcement point at `file`"),
    wrong("snapshot show --point none", "no enforcement point at `none`"),
    wrong("snapshot verify none --point new", "no folder `none`"),
    wrong("snapshot verify folder --point file", "`file` is no folder"),
    wrong("snapshot verify folder --point new --pin xyz", "64 hex digits"),
    wrong("snapshot verify folder --point new", "trusts no charter yet", "--pin"),
    # report --fetch
    wrong("report import none --home HOME", "no file `none`"),
    wrong("report import https://example.org/x --home HOME", "--fetch"),
    wrong("report import --fetch ftp://example.org/x --home HOME", "is no address that is fetched"),
    wrong("report import --fetch http://127.0.0.1:1/x --home HOME", "port"),
    wrong("report import --fetch http:// --home HOME", "is no name"),
    wrong("report import --fetch http://me:secret@example.org/ --home HOME", "without user and password"),
    wrong("report import --fetch http://[::1 --home HOME", "no host name"),
    # explain, ledger key
    wrong("explain nobody --home HOME", "no observation of terminal `nobody`"),
    wrong("explain car --home HOME --at nonsense", "is not a time"),
    wrong("explain car --home HOME --language Deutsch", "is no language", "de"),
    wrong("ledger key retire --yes --home HOME", "none is old", "ledger key rotate"),
)


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_wrong_input_is_told_in_a_line(here: Home, case: Wrong) -> None:
    before = {path.name for path in here.path.parent.iterdir()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"HOME": str(here.path), "TAKEN": str(taken.getsockname()[1])}
        line = shlex.split(case.line)
        for word, value in values.items():
            line = [each.replace(word, value) for each in line]
        answer = groundrule(*line)
    assert answer.code == case.code, answer
    said = " ".join((answer.err + answer.out).replace("│", " ").split())
    assert "Traceback" not in said
    assert "internal error" not in said
    assert "secret" not in said
    for word in case.words:
        assert word in said, said
    assert {path.name for path in here.path.parent.iterdir()} == before, "nothing was made"


@pytest.mark.parametrize(
    "line", ["serve", "upgrade", "snapshot merge --point point", "report import file", "ledger key rotate", "decide mixed.csv"]
)
def test_a_home_that_is_being_written_is_said_to_be_so(here: Home, line: str) -> None:
    with here.writer():
        answer = groundrule(*line.split(), "--home", here.path)
    assert answer.code == 2, answer
    assert "is writing to" in answer.err
    assert "wait until it has ended" in answer.err


def test_what_is_right_beside_what_is_wrong_is_not_lost(here: Home) -> None:
    folder = here.path.parent
    answer = groundrule("decide", folder / "mixed.csv", "--point", folder / "point", "--json")
    assert answer.code == 0, answer
    assert sum(answer.json["rejected"].values()) == WRONG.count("\n")
    assert set(answer.json["rejected"]) == {"out_of_range", "not_a_number", "half_a_position", "time_unreadable", "terminal_id_missing"}
