"""What radio said of an observation is told with the explanation of its decision, to the operator's side alone."""

from __future__ import annotations

from homes import Served, served

from groundrule.instant import format_instant
from groundrule.store.home import Home
from groundrule.store.orbits import save_elements
from radio_world import START_NS, Truth, World
from small_home import copy_home

LIAR = Truth("car", 5.0, 15.0, claim=(5.0, 5.0), trust="network")


def observe(made: Served, second: int) -> None:
    row = {"terminal_id": "car", "observed_at": format_instant(START_NS + second * 1_000_000_000), "lat_deg": 5.0, "lon_deg": 5.0}
    assert made.client.post("/v1/observations", headers=made.key("ingest"), json={"rows": [row]}).json()["accepted"] == 1


def test_the_explanation_names_the_verification_and_says_it_in_words(served_template: Home, tmp_path_factory: object) -> None:
    home = copy_home(served_template, tmp_path_factory.mktemp("heard") / "home")  # type: ignore[attr-defined]  # of pytest
    world = World(seed=5)
    save_elements(home, world.elements, START_NS)
    with served(home, clock=lambda: START_NS + 90_000_000_000) as made:
        observe(made, 30)
        rows = world.measure(LIAR, world.schedule(LIAR.lat_deg, LIAR.lon_deg, 4), step_s=3.0)
        told = made.client.post("/v1/measurements", headers=made.key("ingest"), json={"rows": rows}).json()
        observe(made, 65)
        for _ in range(2):  # before a run holds it, and after
            why = made.get("/v1/terminals/car/explanation", made.key("viewer")).json()
            assert why["verification"] == told["verifications"]["id"][0]
            assert any("1,1" in each or "km" in each for each in why["heard"])
            one = made.get(f"/v1/verifications/{why['verification']}", made.key("viewer")).json()
            assert one["verdict"] == "inconsistent"
            owner = made.get("/v1/terminals/car/explanation", made.key("owner", accounts=["acc-a"])).json()
            assert not {"heard", "verification"} & set(owner)
            made.service.homes["default"].commit().result(30)
        other = made.get("/v1/terminals/guest/explanation", made.key("viewer")).json()
        assert not {"heard", "verification"} & set(other)
