"""`groundrule serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, print_text
from groundrule.errors import InputError


def serve(
    home: HomeOption = DEFAULT_HOME,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; the default is this machine alone.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Port; the default is 8320.")] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="TOML file of settings; see docs/service.md.")] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", help="Another home in the same service, as NAME=DIRECTORY; credentials say whose they open. Repeatable."),
    ] = None,
    watch: Annotated[
        str | None, typer.Option("--watch", help="Also take observations from here, as `groundrule watch`: a folder, nats://…, FILE.toml.")
    ] = None,
) -> None:
    """Serve the home: an API, a console in the browser, and live decisions. Prints a login link that works once."""
    from groundrule.api.serving import serve as run  # noqa: PLC0415 - the server is slow to load, and only this command needs it
    from groundrule.api.settings import read_settings  # noqa: PLC0415
    from groundrule.pipeline.watch.opening import Watched  # noqa: PLC0415

    chosen = read_settings(settings)
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    homes = {"default": home, **_tenants(tenant or [])}
    if len({each.resolve() for each in homes.values()}) < len(homes):
        raise InputError("the same home is named twice", help="each tenant has a home of its own", option="--tenant")
    watched = None if watch is None else Watched(watch)
    run(homes, msgspec.structs.replace(chosen, **changes), said=_say, watched=watched)


def serve_demo(home: Path) -> None:
    """Serve a demo's home on this machine alone, at the usual port or, where that is taken, at a free one."""
    from groundrule.api.serving import serve as run  # noqa: PLC0415 - the server is slow to load, and only this option needs it
    from groundrule.api.settings import Settings, free_port  # noqa: PLC0415

    print_text()
    run({"default": home}, Settings(port=free_port()), said=_say)


def _say(link: str) -> None:
    print_text("Groundrule is listening. Open this link; it logs you in once, within ten minutes:")
    print_text(f"  {link}")
    print_text("Another link: groundrule access login. End with Ctrl-C.")


def _tenants(given: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not equals or not name or not folder or name in found or name == "default":
            raise InputError(f"`--tenant {each[:80]}`", help="NAME=DIRECTORY, each name once, and not `default`", option="--tenant")
        found[name] = Path(folder)
    return found
