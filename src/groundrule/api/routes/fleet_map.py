"""The map: terminals in view one by one, or counted in cells."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, Response, get
from litestar.params import Parameter, QueryParameter
from litestar.types import ControllerRouterHandler
from numpy.typing import NDArray

from groundrule.api.given import GivenLive, GivenPrincipal
from groundrule.api.principal import Principal
from groundrule.api.seen import Sight, in_areas, sight_of
from groundrule.api.times import instant_of
from groundrule.pipeline.classes import CLASS_WORDS
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.live import FleetView, Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.map_view import CATEGORIES, Cells, Scene, Window, look, scene_at
from groundrule.records import OUTCOME_WORDS

SCENES_KEPT: Final = 6
Category = Literal["serve", "restrict", "review", "deny", "degraded", "pending_registration", "never_served"]


class Points(msgspec.Struct):
    """Terminals one by one, by columns.

    Attributes:
        id, lon, lat: which and where [degree].
        outcome, state: of the last answer.
        kind: what an outage may do to it: `protected`, `ordinary`, `conflict`; null where it is not told.
    """

    id: list[str]
    lon: list[float]
    lat: list[float]
    outcome: list[Literal["serve", "restrict", "review", "deny"]]
    state: list[Literal["normal", "degraded", "pending_registration", "never_served"]]
    kind: list[str | None]


class CellColumns(msgspec.Struct):
    """Terminals counted by cell, by columns. Each terminal is counted in one of the seven.

    Attributes:
        lon, lat: mean position of those in the cell [degree].
        count: how many they are.
        serve, restrict, review, deny: by outcome, where the state is normal.
        degraded, pending_registration, never_served: by state, where it is another.
        west, south, east, north: bounds of the cell [degree]; east may be beyond 180.
    """

    lon: list[float]
    lat: list[float]
    count: list[int]
    serve: list[int]
    restrict: list[int]
    review: list[int]
    deny: list[int]
    degraded: list[int]
    pending_registration: list[int]
    never_served: list[int]
    west: list[float]
    south: list[float]
    east: list[float]
    north: list[float]


class MapAnswer(msgspec.Struct):
    """What is in view.

    Attributes:
        version: changes when the answer may.
        at: the instant asked about; null is now.
        total: terminals that the reader sees and that were asked for, wherever they are.
        in_view: those in the box.
        mode: whether points or cells are given.
    """

    version: str
    at: str | None
    total: int
    in_view: int
    mode: Literal["points", "cells"]
    points: Points | None
    cells: CellColumns | None


_Lon = {"ge": -540, "le": 540}
_SCENES: Final[OrderedDict[tuple[str, int, int], Scene]] = OrderedDict()


@get("/v1/map", opt={"permission": "map:read"}, sync_to_thread=True, summary="Terminals in a box: points, or counts in cells")
def map_(
    request: Request[Any, Any, Any],
    live: GivenLive,
    principal: GivenPrincipal,
    west: Annotated[float, Parameter(**_Lon, description="[degree]; beyond `east` the box crosses 180°.")] = -180.0,
    south: Annotated[float, Parameter(ge=-90, le=90)] = -90.0,
    east: Annotated[float, Parameter(**_Lon)] = 180.0,
    north: Annotated[float, Parameter(ge=-90, le=90)] = 90.0,
    zoom: Annotated[float, Parameter(ge=0, le=24, description="Of a web map with tiles of 512 pixels.")] = 0.0,
    at: Annotated[str | None, Parameter(max_length=40, description="As it was decided at this instant; the default is now.")] = None,
    outcome: Annotated[list[Category] | None, QueryParameter(name="outcome", description="Only these; may be repeated.")] = None,
) -> Response[MapAnswer]:
    """Give what a map shows; few terminals one by one, many counted in cells of about 48 pixels that stay where they are."""
    sight = sight_of(live, principal)
    scene, seen, version = _scene(live, sight, None if at is None else instant_of(at, "at"))
    tag = f'"{version}-{_reader_tag(principal)}-{abs(hash(request.url.query)):x}"'
    found = look(
        scene, Window(west, min(south, north), east, max(south, north), zoom), seen=seen,
        categories=[CATEGORIES.index(each) for each in outcome or ()],
    )  # fmt: skip
    points = None if found.rows is None else _points(scene, found.rows, sight)
    cells = None if found.cells is None else _cells(found.cells)
    answer = MapAnswer(version, at, found.total, found.in_view, "points" if cells is None else "cells", points, cells)
    return Response(answer, headers={"ETag": tag})


def _scene(live: Live, sight: Sight, at_ns: int | None) -> tuple[Scene, NDArray[np.bool_] | None, str]:
    """Return the fleet, who of it is seen, and a name that changes with both."""
    fleet = live.fleet()
    if at_ns is None:
        return _now(fleet), sight.of_fleet(fleet), f"live-{fleet.version}"
    run = max(runs(live.home), default=0)
    key = (live.home.id, run, at_ns)
    scene = _SCENES.get(key)
    if scene is None:
        scene = _SCENES[key] = scene_at(live.home, at_ns)
        while len(_SCENES) > SCENES_KEPT:
            _SCENES.popitem(last=False)
    return scene, _seen_then(scene, sight), f"run-{run}-{at_ns}"


def _now(fleet: FleetView) -> Scene:
    return Scene(fleet.ids, fleet.lat_deg, fleet.lon_deg, fleet.outcome, fleet.state, fleet.observed_at_ns, fleet.kind)


def _seen_then(scene: Scene, sight: Sight) -> NDArray[np.bool_] | None:
    if not sight.closed:
        return None
    if sight.areas is not None:
        return np.zeros(0, bool) if scene.areas is None else in_areas(scene.areas, sight.areas)
    owns = [sight.owns(name, int(at)) for name, at in zip(scene.ids.to_pylist(), scene.observed_at_ns, strict=True)]
    return np.array(owns, bool)


def _points(scene: Scene, rows: NDArray[np.int64], sight: Sight) -> Points:
    kind: list[str | None] = [None] * len(rows)
    if scene.kind is not None and not sight.closed:
        kind = [CLASS_WORDS[code] for code in scene.kind[rows].tolist()]
    return Points(
        scene.ids.take(rows).to_pylist(), _rounded(scene.lon_deg[rows], 6), _rounded(scene.lat_deg[rows], 6),
        [OUTCOME_WORDS[code] for code in scene.outcome[rows].tolist()],
        [STATE_WORDS[code] for code in scene.state[rows].tolist()],
        kind,
    )  # fmt: skip


def _cells(cells: Cells) -> CellColumns:
    by = {name: cells.counts[:, place].tolist() for place, name in enumerate(CATEGORIES)}
    return CellColumns(
        _rounded(cells.lon, 5), _rounded(cells.lat, 5), cells.counts.sum(axis=1).tolist(), **by,
        west=_rounded(cells.west, 6), south=_rounded(cells.south, 6), east=_rounded(cells.east, 6), north=_rounded(cells.north, 6),
    )  # fmt: skip


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    found: list[float] = np.round(values, digits).tolist()
    return found


def _reader_tag(principal: Principal) -> str:
    return f"{abs(hash((principal.id, principal.roles, principal.accounts, principal.countries))):x}"


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (map_,)
