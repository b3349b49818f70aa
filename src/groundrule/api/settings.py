"""Settings of the service: a TOML file, every field checked, with defaults that open nothing."""

from __future__ import annotations

import socket
import ssl
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from groundrule.api.collector import check_collector
from groundrule.api.credentials import Provider
from groundrule.errors import InputError

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8320


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often somebody may ask.

    Attributes:
        per_s: requests a second on average.
        burst: requests at once.
    """

    per_s: float = 50.0
    burst: int = 200


def _default_rates() -> dict[str, RateLimit]:
    return {
        "none": RateLimit(20.0, 100), "session": RateLimit(50.0, 300),
        "key": RateLimit(2_000.0, 4_000), "oidc": RateLimit(200.0, 800),
    }  # fmt: skip


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the service runs.

    Attributes:
        host, port: where it listens; loopback unless told otherwise.
        origin: address under which users reach it, without a final slash; None is that of host and port.
        certificate, private_key: PEM files for HTTPS; without them nothing but loopback is listened on unless `behind_proxy`.
        behind_proxy: a proxy ends HTTPS before this service.
        providers: OpenID providers that are believed.
        rates: limits by how somebody said who they are: `none`, `session`, `key`, `oidc`.
        max_body_bytes: longest body of ordinary requests.
        max_upload_bytes: longest body of observations and reports.
        commit_every_s: how often what was acknowledged becomes a run of the home [s].
        commit_rows: a run is made earlier when so many observations wait.
        webhook_hosts: hosts that webhooks and notifications may go to; none unless named.
        event_type_prefix: reversed domain that types of events begin with.
        traces: address of an OpenTelemetry collector (OTLP over HTTP); none unless named. Needs the extra `telemetry`.
        log_json: write logs as JSON lines.
    """

    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    origin: str | None = None
    certificate: str | None = None
    private_key: str | None = None
    behind_proxy: bool = False
    providers: tuple[dict[str, Any], ...] = ()
    rates: dict[str, RateLimit] = msgspec.field(default_factory=_default_rates)
    max_body_bytes: int = 1 << 20
    max_upload_bytes: int = 64 << 20
    commit_every_s: float = 60.0
    commit_rows: int = 1_000_000
    webhook_hosts: tuple[str, ...] = ()
    event_type_prefix: str = "org.example.groundrule"
    traces: str | None = None
    log_json: bool = False

    def believed(self) -> tuple[Provider, ...]:
        """Return the OpenID providers.

        Raises:
            InputError: one lacks something.
        """
        try:
            return tuple(Provider(**each) for each in self.providers)
        except TypeError as error:
            raise InputError(f"a provider of the settings: {error}", help="issuer, audience, jwks, roles") from error


def read_settings(path: Path | None) -> Settings:
    """Read a file of settings; None gives the defaults.

    Raises:
        InputError: the file cannot be read, or a field of it cannot be used.
    """
    if path is None:
        return Settings()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    except OSError as error:
        raise InputError(f"cannot read `{path}`: {error.strerror}", help="name a TOML file of settings", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"`{path}` is no text", help="name a TOML file of settings, in UTF-8", file=str(path)) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"`{path}`: {error}", help="see docs/service.md for every setting", file=str(path)) from error


def check_settings(settings: Settings) -> None:
    """Refuse what would open the service to a network without protection.

    Raises:
        InputError: it would listen outside of this machine without HTTPS, or send traces to what is no address.
    """
    secure = settings.certificate and settings.private_key
    if settings.host not in (LOOPBACK, "localhost", "::1") and not secure and not settings.behind_proxy:
        raise InputError(
            f"the service would listen on `{settings.host}` without HTTPS, and credentials would be readable on the way",
            help="set certificate and private_key, or behind_proxy where a proxy ends HTTPS, or listen on 127.0.0.1",
            field="host",
        )
    check_collector(settings.traces)
    if bool(settings.certificate) != bool(settings.private_key):
        raise InputError("certificate and private_key belong together", help="set both", field="certificate")
    if settings.certificate and settings.private_key:
        _check_certificate(settings.certificate, settings.private_key)


def _check_certificate(certificate: str, private_key: str) -> None:
    for name, field in ((certificate, "certificate"), (private_key, "private_key")):
        if not Path(name).is_file():
            raise InputError(f"there is no file `{name}`", help=f"name a PEM file as {field}", field=field)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password=lambda: b"")
    except (OSError, ValueError) as error:
        said = f"`{certificate}` and `{private_key}` are no certificate with its key"
        raise InputError(said, help="PEM files that belong together; the key without a passphrase", field="certificate") from error


def address(settings: Settings) -> str:
    """Return the address under which users reach the service."""
    if settings.origin:
        return settings.origin.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.certificate else 'http'}://{host}:{settings.port}"


def free_port(wanted: int = DEFAULT_PORT) -> int:
    """Return a port of this machine that nobody listens on: the wanted one, or any."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(tried.getsockname()[1])
    return wanted
