"""Credentials: keys signed by the service, sessions of the console, and tokens of an OpenID provider.

A key is text that its bearer shows with each request:

    gr1.<claims as canonical JSON, base64url>.<Ed25519 signature of the two parts before, base64url>

Its claims name roles, tenant, accounts and countries. It works until it ends or is revoked. Nothing in a request but its
credentials says who somebody is or whose home they may see.
"""

from __future__ import annotations

import json
import re
import secrets
import urllib.parse
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt

from groundrule.api.principal import DEFAULT_TENANT, Principal, principal_of
from groundrule.api.roles import PUBLIC, shipped_roles
from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.instant import NS_PER_DAY, NS_PER_S
from groundrule.signing import ED25519, SigningKey, verify
from groundrule.store.access import AccessStore, Claims, GivenKey

PREFIX: Final = "gr1"
MAX_LENGTH: Final = 8_192
"""Longest credential that is read [characters]."""
LOGIN_NS: Final = 10 * 60 * NS_PER_S
SESSION_NS: Final = 12 * 3_600 * NS_PER_S
MAX_NAME: Final = 200
"""Longest name of a key [characters]."""
_COUNTRY: Final = re.compile("[A-Z]{2,3}")
MAX_KEY_DAYS: Final = 366
MAX_VERIFIED: Final = 1_000
"""Keys whose signature was found good and need not be checked again."""
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA", "PS256")
"""Signatures of tokens; none that shares a secret, and never `none`."""


class BadCredentials(Exception):
    """Credentials were shown and do not hold; the text says why, without what was shown."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID provider that is believed.

    Attributes:
        issuer: as its tokens name it.
        audience: as its tokens name this service.
        jwks: its public keys: a file, or an https address.
        roles_claim, accounts_claim, countries_claim, tenant_claim: where its tokens say what somebody may.
        roles: from names of the provider to roles; a name that is not here gives nothing.
    """

    issuer: str
    audience: str
    jwks: str
    roles: dict[str, str]
    roles_claim: str = "groups"
    accounts_claim: str = "groundrule_accounts"
    countries_claim: str = "groundrule_countries"
    tenant_claim: str = "groundrule_tenant"


class Desk:
    """Gives credentials out, and judges those that are shown.

    Args:
        store: what was given out.
        key: signs keys.
        clock: the time [ns, UTC].
        providers: OpenID providers, believed in their order.
    """

    def __init__(self, store: AccessStore, key: SigningKey, clock: Callable[[], int], providers: Iterable[Provider] = ()) -> None:
        self.store, self._key, self._clock = store, key, clock
        self._providers = {each.issuer: (each, _keys_of(each)) for each in providers}
        self._verified: OrderedDict[str, Principal] = OrderedDict()

    # --- giving out -----------------------------------------------------------------------------------------------------

    def give_key(
        self,
        name: str,
        roles: Iterable[str],
        *,
        days: int = 90,
        tenant: str = DEFAULT_TENANT,
        accounts: Iterable[str] = (),
        countries: Iterable[str] = (),
        given_by: str = "",
    ) -> tuple[GivenKey, str]:
        """Make a key; its text is returned once and kept nowhere.

        Args:
            name: what it is for.
            roles: at least one, but not `public`.
            days: how long it works, 1 to 366.
            tenant: whose home it opens.
            accounts: of an owner; required for that role, so that nobody sees all by an oversight.
            countries: of a regulator; required for that role.
            given_by: id of the principal who makes it.
        Raises:
            InputError: something of this cannot be.
        """
        chosen, held, lands = sorted(set(roles)), sorted(set(accounts)), sorted(set(countries))
        check_grant(chosen, held, lands)
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise InputError("a key needs a name of what it is for", help=f"1 to {MAX_NAME} characters that can be printed", field="name")
        if not 1 <= days <= MAX_KEY_DAYS:
            raise InputError(f"a key for {days} days", help=f"1 to {MAX_KEY_DAYS}", field="days", value=str(days))
        now = self._clock()
        claims: dict[str, Any] = {
            "id": f"key-{secrets.token_hex(8)}", "name": name, "roles": chosen, "tenant": tenant,
            "accounts": held, "countries": lands, "until_ns": str(now + days * NS_PER_DAY),
        }  # fmt: skip
        given = GivenKey(claims["id"], claims, now, given_by, now + days * NS_PER_DAY, None)
        self.store.put_key(given)
        body = f"{PREFIX}.{_encode(canonical_json(claims))}"
        return given, f"{body}.{_encode(self._key.sign(body.encode()))}"

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; False if there is none, or it was revoked before."""
        return self.store.revoke(key_id, self._clock())

    def give_login(self, claims: Claims) -> str:
        """Return a secret that opens one session within ten minutes, once."""
        return self.store.new_login(claims, self._clock() + LOGIN_NS)

    def open_session(self, secret: str) -> tuple[str, Principal]:
        """Open the session of a login.

        Raises:
            BadCredentials: the login is unknown, was used, or is over.
        """
        now = self._clock()
        found = self.store.use_login(secret, now, now + SESSION_NS) if len(secret) <= MAX_LENGTH else None
        if found is None:
            raise BadCredentials("this login link was used, or is older than ten minutes")
        return found[0], principal_of(found[1], by="session")

    # --- judging --------------------------------------------------------------------------------------------------------

    def of_bearer(self, text: str) -> Principal:
        """Judge what came as `Authorization: Bearer`.

        Raises:
            BadCredentials: it does not hold.
        """
        if len(text) > MAX_LENGTH:
            raise BadCredentials("the credential is too long")
        return self._of_key(text) if text.startswith(f"{PREFIX}.") else self._of_token(text)

    def signed_before(self, text: str) -> Principal | None:
        """Return the principal of a key whose signature was found good before; None for any other credential.

        Whether the key holds still is not asked here: whoever uses this asks `holds` before anything is done.
        """
        return self._verified.get(text)

    def holds(self, principal: Principal) -> bool:
        """Is a key neither revoked nor over? Any thread may ask."""
        return self.store.is_good(principal.id, self._clock())

    def of_session(self, secret: str) -> Principal:
        """Judge the secret of a session.

        Raises:
            BadCredentials: there is no such session, or it is over.
        """
        claims = self.store.session(secret, self._clock()) if len(secret) <= MAX_LENGTH else None
        if claims is None:
            raise BadCredentials("the session is over")
        return principal_of(claims, by="session")

    def _of_key(self, text: str) -> Principal:
        # Whether a signature holds does not change; whether the key was revoked is asked each time.
        principal = self._verified.get(text)
        if principal is None:
            principal = self._verified[text] = self._read_key(text)
            while len(self._verified) > MAX_VERIFIED:
                self._verified.popitem(last=False)
        if not self.holds(principal):
            raise BadCredentials("the key was revoked, or its time is over")
        return principal

    def _read_key(self, text: str) -> Principal:
        body, _, signature = text.rpartition(".")
        try:
            claims = json.loads(_decode(body.partition(".")[2]))
            good = verify(ED25519, self._key.public, _decode(signature), body.encode("ascii"))
        except ValueError:
            raise BadCredentials("the key is damaged") from None
        if not good:
            raise BadCredentials("the key was not given out here")
        return principal_of(claims, by="key")

    def _of_token(self, text: str) -> Principal:
        try:
            issuer = jwt.decode(text, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise BadCredentials("the bearer token is neither a key of this service nor a token") from None
        if not isinstance(issuer, str) or issuer not in self._providers:
            raise BadCredentials("the token comes from a provider that is not believed here")
        provider, keys = self._providers[issuer]
        try:
            claims = jwt.decode(
                text, keys(text), algorithms=list(_ALGORITHMS), audience=provider.audience, issuer=issuer, leeway=30,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, OSError) as error:
            raise BadCredentials(f"the token does not hold: {type(error).__name__}") from None
        names = claims.get(provider.roles_claim, ())
        roles = [provider.roles[name] for name in ([names] if isinstance(names, str) else names) if name in provider.roles]
        described = {
            "id": f"oidc-{claims['sub']}", "name": str(claims.get("name", "")), "roles": roles,
            "tenant": claims.get(provider.tenant_claim, DEFAULT_TENANT),
            "accounts": _several(claims.get(provider.accounts_claim)), "countries": _several(claims.get(provider.countries_claim)),
        }  # fmt: skip
        return principal_of(described, by="oidc")


def check_grant(roles: list[str], accounts: list[str], countries: list[str]) -> None:
    """Check what somebody is to be given.

    Raises:
        InputError: a role is unknown, or an owner has no account, or a regulator no country.
    """
    grantable = [name for name in shipped_roles() if name != PUBLIC]
    if not roles or (unknown := [name for name in roles if name not in grantable]):
        said = f"there is no role `{unknown[0][:40]}`" if roles else "no role is named"
        raise InputError(said, help=f"one of: {', '.join(grantable)}", field="roles")
    if "owner" in roles and not accounts:
        raise InputError("an owner without an account", help="name the accounts whose terminals may be seen", field="accounts")
    if "regulator" in roles and not countries:
        said = "a regulator without a country"
        raise InputError(said, help="name the countries that may be seen, as ISO codes", field="countries")
    if any(not account.strip() for account in accounts):
        raise InputError("an account without a name", help="name accounts as the register does", field="accounts")
    if wrong := [country for country in countries if _COUNTRY.fullmatch(country) is None]:
        said = f"`{wrong[0][:40]}` is no code of a country"
        raise InputError(said, help="write ISO codes in capital letters, as the areas have them: UA or UKR", field="countries")


def _keys_of(provider: Provider) -> Callable[[str], Any]:
    """Return what finds the public key of a token."""
    address = urllib.parse.urlsplit(provider.jwks)
    if address.scheme == "https":
        client = jwt.PyJWKClient(provider.jwks, cache_keys=True, timeout=5)
        return lambda token: client.get_signing_key_from_jwt(token).key
    if address.scheme:
        raise InputError(f"keys of a provider at `{provider.jwks[:80]}`", help="an https address, or a file")
    try:
        held = jwt.PyJWKSet.from_json(Path(provider.jwks).read_text(encoding="utf-8"))
    except (OSError, jwt.PyJWTError, ValueError) as error:
        raise InputError(f"`{provider.jwks[:80]}` holds no keys of a provider: {error}", help="a JWKS file") from error

    def find(token: str) -> Any:
        wanted = jwt.get_unverified_header(token).get("kid")
        for each in held.keys:
            if wanted is None or each.key_id == wanted:
                return each.key
        raise jwt.InvalidKeyError("unknown key")

    return find


def _several(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value] if isinstance(value, list) else []


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # One form only: a key that was changed in bits that do not count is another key.
    if _encode(data) != text:
        raise ValueError("not the one form of base64url")
    return data
