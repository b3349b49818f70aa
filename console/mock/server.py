"""Answer the console's requests from a demo home, for developing the console alone; not part of the product.

    python console/mock/server.py DEMO-FOLDER [--port 8765] [--dist FOLDER]

DEMO-FOLDER is what `groundrule demo --out` wrote. Shapes are those of the service. Everybody is logged in.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import threading
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import duckdb
import numpy as np
import shapely

from groundrule.areas.importing import read_areas
from groundrule.errors import GroundruleError
from groundrule.instant import parse_instant
from groundrule.pipeline.explain import explain_terminal
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.ledger_state import state_of
from groundrule.pipeline.receipts import issue_receipt
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
OUTCOMES = ("serve", "restrict", "review", "deny")
STATES = ("pending_registration", "degraded", "never_served")
MANY = 2_500
LOCK = threading.Lock()


def text(ns: int) -> str:
    """RFC 3339 of nanoseconds."""
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Demo:
    """One demo home, read once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, Home.open(folder / "home")
        glob = str(folder / "home" / "history" / "decisions" / "**" / "*.parquet")
        places = str(folder / "home" / "history" / "observations" / "**" / "*.parquet")
        self.decisions, self.observations = glob, places
        rows = duckdb.sql(
            f"""select d.terminal_id, d.outcome, d.state, d.rule, d.reasons[1].code reason, d.observed_at, o.lat_deg, o.lon_deg,
                list_transform(d.areas, lambda a: a.id) areas
                from (select * from '{glob}' qualify row_number() over (partition by terminal_id order by observed_at desc) = 1) d
                left join '{places}' o using (terminal_id, observed_at) order by 1"""
        ).fetchnumpy()
        self.id, self.outcome, self.state = (
            np.asarray(rows[name], object) for name in ("terminal_id", "outcome", "state")
        )
        self.rule, self.reason, self.areas = (np.asarray(rows[name], object) for name in ("rule", "reason", "areas"))
        self.at = rows["observed_at"]
        self.lat, self.lon = (np.ma.filled(np.ma.asarray(rows[name], float), np.nan) for name in ("lat_deg", "lon_deg"))
        self.key = np.where((self.outcome == "deny") | (self.state == "normal"), self.outcome, self.state)

    def row(self, i: int) -> dict[str, Any]:
        known = bool(np.isfinite(self.lat[i]))
        return {
            "id": self.id[i], "outcome": self.outcome[i], "state": self.state[i], "rule": self.rule[i], "reason": self.reason[i],
            "observed_at": text(int(self.at[i])), "lat": float(self.lat[i]) if known else None,
            "lon": float(self.lon[i]) if known else None, "areas": list(self.areas[i]),
        }  # fmt: skip


def _map(demo: Demo, q: dict[str, str]) -> Any:
    west, south, east, north = (
        float(q.get(name, given))
        for name, given in (("west", "-180"), ("south", "-90"), ("east", "180"), ("north", "90"))
    )
    zoom = float(q.get("zoom", "1"))
    inside_lon = (demo.lon >= west) & (demo.lon <= east) if west <= east else (demo.lon >= west) | (demo.lon <= east)
    seen = inside_lon & (demo.lat >= south) & (demo.lat <= north)
    if "outcome" in q:
        seen &= np.isin(demo.key, q["outcome"].split(","))
    rows = np.flatnonzero(seen)
    head = {"version": 1, "at": text(int(demo.at.max())), "total": len(demo.id), "in_view": len(rows)}
    if len(rows) <= MANY or zoom >= 9:
        rows = rows[: 4 * MANY]
        return head | {"mode": "points", "points": {
            "id": demo.id[rows].tolist(), "lon": demo.lon[rows].round(6).tolist(), "lat": demo.lat[rows].round(6).tolist(),
            "outcome": demo.outcome[rows].tolist(), "state": demo.state[rows].tolist(), "kind": [None] * len(rows)}}  # fmt: skip
    step = 90 / 2 ** np.floor(zoom) / 2
    x, y = np.floor(demo.lon[rows] / step), np.floor(demo.lat[rows] / step)
    cells, which = np.unique(np.column_stack([x, y]), axis=0, return_inverse=True)
    which, count = which.ravel(), np.bincount(which.ravel())
    sums = {
        key: np.bincount(which[demo.key[rows] == key], minlength=len(cells)).tolist() for key in (*OUTCOMES, *STATES)
    }
    middle = [np.bincount(which, values[rows]) / count for values in (demo.lon, demo.lat)]
    return head | {"mode": "cells", "cells": {
        "lon": middle[0].round(5).tolist(), "lat": middle[1].round(5).tolist(), "count": count.tolist(), **sums,
        "west": (cells[:, 0] * step).tolist(), "south": (cells[:, 1] * step).tolist(),
        "east": ((cells[:, 0] + 1) * step).tolist(), "north": ((cells[:, 1] + 1) * step).tolist()}}  # fmt: skip


def _terminals(demo: Demo, q: dict[str, str]) -> Any:
    keep = np.ones(len(demo.id), bool)
    for name, column in (("outcome", demo.outcome), ("state", demo.state)):
        if q.get(name):
            keep &= column == q[name]
    if q.get("q"):
        keep &= np.char.find(demo.id.astype(str), q["q"]) >= 0
    if q.get("area"):
        keep &= np.array([q["area"] in areas for areas in demo.areas])
    rows, start, limit = np.flatnonzero(keep), int(q.get("cursor", "0")), int(q.get("limit", "50"))
    return {
        "items": [demo.row(i) for i in rows[start : start + limit]],
        "next": str(start + limit) if start + limit < len(rows) else None,
    }


def _decisions(demo: Demo, terminal: str, q: dict[str, str]) -> Any:
    start, limit = int(q.get("cursor", "0")), int(q.get("limit", "100"))
    found = duckdb.execute(
        f"""select d.observed_at, d.decided_at, d.outcome, d.state, d.rule, d.reasons, d.obligations, d.areas, d.rulebook, o.lat_deg, o.lon_deg
            from '{demo.decisions}' d left join '{demo.observations}' o using (terminal_id, observed_at)
            where d.terminal_id = ? order by 1 desc limit ? offset ?""", [terminal, limit + 1, start]
    ).fetchall()  # fmt: skip
    items = [
        {"observed_at": text(r[0]), "decided_at": text(r[1]), "outcome": r[2], "state": r[3], "rule": r[4], "reasons": r[5],
         "obligations": r[6], "areas": r[7], "rulebook": r[8], "lat": r[9], "lon": r[10]} for r in found[:limit]
    ]  # fmt: skip
    return {"items": items, "next": str(start + limit) if len(found) > limit else None}


def _track(demo: Demo, terminal: str) -> Any:
    items = _decisions(demo, terminal, {"limit": "2000"})["items"][::-1]
    return {
        "items": [{name: item[name] for name in ("observed_at", "lat", "lon", "outcome", "state")} for item in items]
    }


def _explanation(demo: Demo, terminal: str, q: dict[str, str]) -> Any:
    at = parse_instant(q["at"]) if q.get("at") else None
    found = explain_terminal(
        demo.home,
        terminal,
        at_ns=at,
        audience="owner" if q.get("for") == "owner" else "operator",
        language=q.get("language", "en"),
    )
    value = found.explanation.as_dict()
    if q.get("for") != "owner":
        names = {area.id: area.name for area in _areas(demo)}
        value["areas"] = [
            {"id": a, "name": names.get(a, a), "membership": m, "probability": p} for a, m, p in found.areas
        ]
        if np.isfinite(found.lat_deg):
            value["position"] = {"lat_deg": found.lat_deg, "lon_deg": found.lon_deg}
    return value


@cache
def _areas(demo: Demo) -> Any:
    example = read_areas(
        Path(__file__).parents[2] / "docs" / "example" / "zone.geojson", kind="zone", source="example"
    ).areas[0]
    # Two versions, so that the slider of the map has something to show.
    wide = shapely.box(30.4, 44.7, 32.4, 45.6)
    half = parse_instant("2026-02-10T03:00:00Z")
    before, after = replace(example, valid_until_ns=half), replace(example, geometry=wide, valid_from_ns=half)
    return (*load_areas(demo.home)[0], before, after)


@cache
def _shape(demo: Demo, i: int) -> Any:
    area = list(_areas(demo))[i]
    parts = shapely.simplify(shapely.get_parts(area.geometry), 0.02)
    kept = shapely.make_valid(parts[shapely.area(parts) > 0.002]) if len(parts) > 3 else parts
    return json.loads(shapely.to_geojson(shapely.set_precision(shapely.union_all(kept), 0.001)))


def _features(demo: Demo, q: dict[str, str]) -> Any:
    at = parse_instant(q["datetime"]) if q.get("datetime") and "/" not in q["datetime"] else None
    found = []
    for i, area in enumerate(_areas(demo)):
        if (
            area.kind in ("land",)
            or (q.get("kind") and area.kind not in q["kind"].split(","))
            or (at is not None and not area.is_valid_at(at))
        ):
            continue
        found.append({"type": "Feature", "id": area.id, "geometry": _shape(demo, i), "properties": _about(area)})
    return {
        "type": "FeatureCollection",
        "features": found[: int(q.get("limit", "1000"))],
        "numberReturned": len(found),
        "links": [],
    }


def _about(area: Any) -> dict[str, Any]:
    bounds = [None if abs(ns) > 8e18 else text(ns) for ns in (area.valid_from_ns, area.valid_until_ns)]
    return {"id": area.id, "kind": area.kind, "name": area.name, "country": area.country, "source": area.source, "licence": area.licence,
            "point_of_view": area.point_of_view, "valid_from": bounds[0], "valid_until": bounds[1]}  # fmt: skip


def _ledger(demo: Demo) -> Any:
    state = state_of(demo.home, now_ns=int(datetime.now(UTC).timestamp() * 1e9))
    folder = demo.home.path / "ledger"
    return state | {"checkpoint": (folder / "checkpoint").read_text(), "policy": (folder / "policy").read_text()}


def _session(demo: Demo) -> Any:
    now = text(int(datetime.now(UTC).timestamp() * 1e9))
    nouns = "map terminals decisions explanations receipts areas rulebooks proposals requests contacts appeals reports dossiers ledger lists status"
    return {"principal": {"id": "local", "name": "Local officer", "roles": ["officer"], "permissions": [f"{noun}:read" for noun in nouns.split()], "tenant": "default"},
            "home": {"id": demo.home.id, "demo": True, "languages": ["en", "de", "uk"]}, "server": {"version": "0.1.0", "started_at": now, "now": now}}  # fmt: skip


def answer(demo: Demo, path: str, q: dict[str, str]) -> Any:
    """Return a JSON value, a text, or None where there is nothing."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match parts:
        case ["v1", "session"]:
            return _session(demo)
        case ["v1", "map"]:
            return _map(demo, q)
        case ["v1", "terminals"]:
            return _terminals(demo, q)
        case ["v1", "terminals", terminal]:
            rows = np.flatnonzero(demo.id == terminal)
            return (
                demo.row(int(rows[0])) | {"register": {"plan": "roam", "account_id": "ACC-003118"}}
                if len(rows)
                else None
            )
        case ["v1", "terminals", terminal, "decisions"]:
            return _decisions(demo, terminal, q)
        case ["v1", "terminals", terminal, "track"]:
            return _track(demo, terminal)
        case ["v1", "terminals", terminal, "explanation"]:
            return _explanation(demo, terminal, q)
        case ["v1", "terminals", terminal, "receipt"]:
            return issue_receipt(
                demo.home, terminal, at_ns=parse_instant(q["at"]) if q.get("at") else None
            ).proof.decode()
        case ["v1", "areas", area, "versions"]:
            return [
                _about(each) | {"service_history": [], "service_requests": []}
                for each in _areas(demo)
                if each.id == area
            ]
        case ["v1", "areas"]:
            return {"items": [_about(area) for area in _areas(demo)], "next": None}
        case ["ogc", "collections", "areas", "items"]:
            return _features(demo, q)
        case ["v1", "rulebooks"]:
            book = rulebook_of(demo.home)
            return {"items": [{"digest": book.digest, "id": book.id, "in_force": True}], "next": None}
        case ["v1", "ledger"]:
            return _ledger(demo)
        case ["v1", "status"]:
            return {
                "degraded": [], "newest_observed_at": text(int(demo.at.max())),
                "checks": [{"name": "intake", "ok": True, "why": ""}],
                "counters": {"accepted": len(demo.id)},
            }
        case ["v1", "public"]:
            return {"served": int((demo.outcome == "serve").sum()), "denied": int((demo.outcome == "deny").sum())}
        case ["v1", "requests" | "contacts" | "appeals" | "proposals" | "reports" | "dossiers" | "lists"]:
            return {"items": [], "next": None}
        case ["ledger", "checkpoint" | "policy" as name]:
            return (demo.home.path / "ledger" / name).read_text()
        case _:
            return None


def handler(demo: Demo, dist: Path) -> type[BaseHTTPRequestHandler]:
    """Make the class that answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

        def give(self, status: int, kind: str, data: bytes) -> None:
            self.send_response(status)
            for name, value in (
                ("Content-Type", kind),
                ("Content-Length", str(len(data))),
                ("Content-Security-Policy", CSP),
                ("Cache-Control", "no-cache"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def problem(self, status: int, title: str, **more: Any) -> None:
            self.give(
                status, "application/problem+json", json.dumps({"title": title, "status": status, **more}).encode()
            )

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.startswith(("/v1/", "/ogc/", "/ledger/")):
                if url.path == "/v1/events":
                    return self.problem(404, "There is no such thing", detail="the mock has no events")
                try:
                    with LOCK:
                        value = answer(
                            demo, url.path, {name: ",".join(values) for name, values in parse_qs(url.query).items()}
                        )
                except GroundruleError as error:
                    return self.problem(
                        404 if "no observation" in str(error) else 409,
                        "It cannot be done",
                        detail=str(error),
                        help=error.help or "",
                    )
                if value is None:
                    return self.problem(
                        404, "There is no such thing", help="this mock knows only what the console needs"
                    )
                if isinstance(value, str):
                    return self.give(200, "text/plain; charset=utf-8", value.encode())
                return self.give(200, "application/json", json.dumps(value, default=str).encode())
            file = (dist / url.path.lstrip("/")).resolve()
            if not file.is_file() or not file.is_relative_to(dist.resolve()):
                file = dist / "index.html"
            kind = (
                "text/javascript"
                if file.suffix in (".js", ".mjs")
                else mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            )
            return self.give(200, kind, file.read_bytes())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.path == "/v1/sessions":
                return self.give(201, "application/json", json.dumps(_session(demo)).encode())
            return self.problem(501, "The mock does not write")

        def do_DELETE(self) -> None:
            self.give(200, "application/json", b"{}")

    return Handler


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument(
        "--dist", type=Path, default=Path(__file__).parents[2] / "src" / "groundrule" / "console" / "dist"
    )
    args = parser.parse_args()
    demo = Demo(args.demo)
    print(f"http://127.0.0.1:{args.port}/", flush=True)
    ThreadingHTTPServer(("127.0.0.1", args.port), handler(demo, args.dist)).serve_forever()


if __name__ == "__main__":
    main()
