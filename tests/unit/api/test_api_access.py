"""Who gets in, who does not, and what is kept of it."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest
from api_edge import NOW, Time, bearer, client_of, service_at
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import get

from groundrule.api.credentials import BadCredentials, Provider
from groundrule.api.roles import matrix, read_roles, shipped_roles
from groundrule.api.routes import HANDLERS
from groundrule.api.settings import RateLimit, Settings, check_settings
from groundrule.api.state import COOKIE
from groundrule.errors import InputError


def test_a_route_without_a_permission_keeps_the_service_from_starting(tmp_path: Path) -> None:
    @get("/v1/forgotten")
    async def forgotten() -> str:
        return "all of it"

    with pytest.raises(ValueError, match=r"/v1/forgotten needs the permission None"):
        client_of(service_at(tmp_path), handlers=[*HANDLERS, forgotten])


def test_a_permission_that_no_role_has_keeps_the_service_from_starting(tmp_path: Path) -> None:
    @get("/v1/misspelt", opt={"permission": "terminal:read"})
    async def misspelt() -> str:
        return "all of it"

    with pytest.raises(ValueError, match="terminal:read"):
        client_of(service_at(tmp_path), handlers=[*HANDLERS, misspelt])


def test_what_is_in_no_role_is_denied_to_nobody_and_noted(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    with client_of(service) as client:
        answer = client.get("/v1/session")
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "no_credentials"
    (denial,) = service.desk.store.denials()
    assert (denial.method, denial.route, denial.permission, denial.status) == ("GET", "/v1/session", "session:read", 401)


def test_a_role_without_the_permission_is_denied_and_told_which(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    with client_of(service) as client:
        answer = client.get("/metrics", headers=bearer(service, "viewer"))
    assert answer.status_code == 403
    assert "metrics:read" in answer.json()["detail"]
    assert service.desk.store.denials()[0].principal.startswith("key-")


@pytest.mark.parametrize("change", ["payload", "signature", "truncated", "prefix", "empty", "padding", "long"])
def test_a_changed_key_opens_nothing(tmp_path: Path, change: str) -> None:
    service = service_at(tmp_path)
    text = service.desk.give_key("test", ["viewer"])[1]
    head, body, signature = text.split(".")
    changed = {
        "payload": f"{head}.{body[:-2]}{'A' if body[-2] != 'A' else 'B'}{body[-1]}.{signature}",
        "signature": f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "truncated": text[:-10],
        "prefix": f"gr2.{body}.{signature}",
        "empty": "gr1..",
        "padding": f"{text}=",
        "long": text + "A" * 9_000,
    }[change]
    with client_of(service) as client:
        answer = client.get("/v1/session", headers={"Authorization": f"Bearer {changed}"})
    assert answer.status_code == 401
    assert changed not in answer.text


def test_a_revoked_and_an_outlived_key_open_nothing(tmp_path: Path) -> None:
    clock = Time()
    service = service_at(tmp_path, clock=clock)
    given, text = service.desk.give_key("test", ["viewer"], days=1)
    service.desk.of_bearer(text)
    clock.now += 24 * 3_600 * 1_000_000_000
    with pytest.raises(BadCredentials, match="its time is over"):
        service.desk.of_bearer(text)
    clock.now = NOW
    assert service.desk.revoke(given.id)
    assert not service.desk.revoke(given.id)
    with pytest.raises(BadCredentials, match="revoked"):
        service.desk.of_bearer(text)


def test_credentials_say_whose_home_is_opened_and_a_request_cannot(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    with client_of(service) as client:
        mine = client.get("/v1/session", headers=bearer(service, "viewer")).json()
        theirs = client.get("/v1/session?tenant=default", headers=bearer(service, "viewer", tenant="other")).json()
        nowhere = client.get("/v1/session", headers=bearer(service, "viewer", tenant="third"))
    assert (mine["home"]["id"], theirs["home"]["id"]) == ("home-of-tests", "home-of-others")
    assert nowhere.status_code == 409


@pytest.mark.parametrize(
    ("roles", "said"), [([], "no role"), (["king"], "king"), (["public"], "public"), (["owner"], "account"), (["regulator"], "country")]
)
def test_a_key_that_would_open_too_much_is_not_made(tmp_path: Path, roles: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        service_at(tmp_path).desk.give_key("test", roles)


def test_a_login_link_works_once_and_for_ten_minutes(tmp_path: Path) -> None:
    clock = Time()
    service = service_at(tmp_path, clock=clock)
    claims = {"id": "first", "roles": ["viewer"]}
    secret, late = service.desk.give_login(claims), service.desk.give_login(claims)
    with client_of(service) as client:
        first = client.post("/v1/sessions", json={"token": secret})
        assert first.status_code == 201
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert secret not in cookie
        assert client.get("/v1/session").json()["principal"]["roles"] == ["viewer"]
        client.cookies.clear()
        assert client.post("/v1/sessions", json={"token": secret}).status_code == 401
        clock.now += 11 * 60 * 1_000_000_000
        assert client.post("/v1/sessions", json={"token": late}).status_code == 401


def test_a_session_ends_by_logging_out_and_by_time(tmp_path: Path) -> None:
    clock = Time()
    service = service_at(tmp_path, clock=clock)
    with client_of(service) as client:
        client.post("/v1/sessions", json={"token": service.desk.give_login({"id": "first", "roles": ["viewer"]})})
        secret = client.cookies[COOKIE]
        clock.now += 13 * 3_600 * 1_000_000_000
        assert client.get("/v1/session").status_code == 401
        clock.now = NOW
        assert client.get("/v1/session").status_code == 200
        assert client.delete("/v1/sessions/current", headers={"X-Groundrule-Request": "1"}).status_code == 204
        client.cookies.set(COOKIE, secret)
        assert client.get("/v1/session").status_code == 401


def test_a_foreign_page_cannot_use_the_cookie_to_change_anything(tmp_path: Path) -> None:
    service = service_at(tmp_path)
    with client_of(service) as client:
        client.post("/v1/sessions", json={"token": service.desk.give_login({"id": "first", "roles": ["viewer"]})})
        assert client.delete("/v1/sessions/current").status_code == 401
        assert client.get("/v1/session").status_code == 200


def test_a_token_of_a_believed_provider_gives_the_roles_that_the_settings_name(tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "one", "use": "sig"}
    (tmp_path / "jwks.json").write_text(__import__("json").dumps({"keys": [jwk]}))
    provider = Provider("https://id.example", "groundrule", str(tmp_path / "jwks.json"), {"trust-and-safety": "analyst"})
    desk = service_at(tmp_path, providers=(provider,)).desk
    now = int(time.time())
    groups = ["trust-and-safety", "officer"]
    claims = {"iss": "https://id.example", "aud": "groundrule", "sub": "u1", "iat": now, "exp": now + 60, "groups": groups}
    good = jwt.encode(claims, private, "ES256", headers={"kid": "one"})
    assert desk.of_bearer(good).roles == ("analyst",)
    other = ec.generate_private_key(ec.SECP256R1())
    for wrong in (
        jwt.encode(claims, other, "ES256", headers={"kid": "one"}),
        jwt.encode(claims | {"aud": "somebody"}, private, "ES256", headers={"kid": "one"}),
        jwt.encode(claims | {"exp": now - 120}, private, "ES256", headers={"kid": "one"}),
        jwt.encode(claims | {"iss": "https://evil.example"}, private, "ES256", headers={"kid": "one"}),
        jwt.encode({k: v for k, v in claims.items() if k != "exp"}, private, "ES256", headers={"kid": "one"}),
        jwt.encode(claims, "public key as a shared secret, 32 bytes", "HS256", headers={"kid": "one"}),
        jwt.encode(claims, "", "none"),
        "eyJ.not.token",
    ):
        with pytest.raises(BadCredentials):
            desk.of_bearer(wrong)


def test_whoever_asks_too_often_is_told_how_long_to_wait(tmp_path: Path) -> None:
    service = service_at(tmp_path, settings=Settings(rates={"none": RateLimit(0.5, 3)}))
    with client_of(service) as client:
        answers = [client.get("/healthz") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_roles_only_include_what_stands_before_them() -> None:
    with pytest.raises(ValueError, match="does not stand before"):
        read_roles('[public]\nmeaning="x"\npermissions=[]\nincludes=["viewer"]')
    with pytest.raises(ValueError, match="public"):
        read_roles('[viewer]\nmeaning="x"\npermissions=[]')


def test_no_role_that_only_looks_or_hands_in_may_change_policy() -> None:
    changing = {"proposals:enact", "approvals:write", "registers:write", "access:write", "emergencies:write", "lists:write"}
    for name in ("public", "viewer", "regulator", "auditor", "owner", "ingest"):
        assert not changing & shipped_roles()[name].permissions, name


def test_every_route_has_a_row_and_nothing_but_health_public_and_console_is_open(tmp_path: Path) -> None:
    with client_of(service_at(tmp_path)) as client:
        rows = matrix(client.app)
    assert len(rows) == len({(each.method, each.path) for each, _ in rows})
    open_nouns = {"health", "public", "session", "console", "log", "camara"}
    for each, roles in rows:
        if "public" in roles:
            assert each.permission.split(":")[0] in open_nouns, each


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_a_network_is_not_listened_on_without_https(host: str) -> None:
    with pytest.raises(InputError, match="without HTTPS"):
        check_settings(Settings(host=host))
    check_settings(Settings(host=host, behind_proxy=True))
    check_settings(Settings(host="127.0.0.1"))


def test_answers_carry_a_policy_against_scripts_and_no_server_name(tmp_path: Path) -> None:
    with client_of(service_at(tmp_path)) as client:
        answer = client.get("/readyz")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_a_reader_that_has_an_answer_is_told_so(tmp_path: Path) -> None:
    with client_of(service_at(tmp_path)) as client:
        first = client.get("/openapi.json")
        again = client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/ledger/.state/treeState", "/ledger/../home.json", "/ledger/%2e%2e/home.json", "/ledger/policy%00"])
def test_the_public_log_gives_nothing_but_the_log(tmp_path: Path, path: str) -> None:
    (tmp_path / "home.json").write_text("private")
    with client_of(service_at(tmp_path)) as client:
        answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "private" not in answer.text
