"""Where the network says that a terminal is: its own estimate where there is one, else what the terminal said last.

    fresh estimate, usable            the estimate, whatever the terminal says
    fresh, contradicted or a fault    nothing: the claim is not believed, and there is no better place
    no fresh one, or nothing tested   the last position that the terminal reported

An estimate is fresh while it is not older, against the last report, than the rulebook lets a verification be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from groundrule.areas.overlap import Region, match
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.answers import LastPosition
from groundrule.pipeline.live.regions import region_of
from groundrule.verify.camara import Kept, circle_95, match_kept

Result = Literal["TRUE", "FALSE", "PARTIAL"]
_REFUTED = ("inconsistent", "fault")


@dataclass(frozen=True, slots=True)
class Located:
    """Where a terminal is.

    Attributes:
        at_ns: of what it rests on [ns, UTC].
        region: that holds it with 95 % probability.
        kept: the network's estimate; None where it is the terminal's own report.
        claimed: what the terminal reported, where the network found that consistent; it may be fresher.
    """

    at_ns: int
    region: Region
    kept: Kept | None = None
    claimed: Located | None = None

    def match(self, lat_deg: float, lon_deg: float, radius_m: float) -> tuple[Result, int | None]:
        """Tell whether it lies in a circle, and for PARTIAL how much of it does [per cent]: probability mass of an estimate, else area."""
        if self.kept is None:
            return match(self.region, lat_deg, lon_deg, radius_m)
        answer = match_kept(self.kept, lat_deg, lon_deg, radius_m)
        return ("TRUE" if answer.result == "TRUE" else "FALSE" if answer.result == "FALSE" else "PARTIAL", answer.match_rate)


def located(position: LastPosition | None, radio: dict[str, Any] | None, fresh_s: float) -> Located | None:
    """Return where a terminal is; None where the network cannot say.

    Args:
        position: the last that the terminal reported, or that was used for it.
        radio: the last verification (`records.RADIO_TYPE`).
        fresh_s: how much older than the last report it may be [s].
    """
    region = None if position is None else region_of(position)
    own = None if position is None or region is None else Located(position.at_ns, region)
    if radio is None or (position is not None and position.at_ns - radio["at_ns"] > round(fresh_s * NS_PER_S)):
        return own
    kept = _kept(radio)
    if kept is None:
        return None if radio["verdict"] in _REFUTED else own
    lat, lon, radius = circle_95(kept)
    return Located(radio["at_ns"], Region(lat, lon, max(1.0, radius)), kept, own if radio["verdict"] == "consistent" else None)


def _kept(radio: dict[str, Any]) -> Kept | None:
    lat, lon, major, minor, azimuth = (radio[name] for name in ("lat_deg", "lon_deg", "sigma_major_m", "sigma_minor_m", "azimuth_deg"))
    if not radio["usable"] or radio["verdict"] == "fault" or None in (lat, lon, major, minor, azimuth):
        return None
    others = tuple((each["lat_deg"], each["lon_deg"], float(each["weight"] or 0.0)) for each in radio["alternatives"] or ())
    kept = Kept(lat, lon, major, minor, azimuth, others)
    return kept if kept.bounded else None
