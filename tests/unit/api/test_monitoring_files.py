"""The shipped dashboard and alert rules, held against the metrics that a running service gives.

Each expression is parsed; what it names must be given by the service: metrics, labels, and values in matchers. So a metric that is
renamed, or a check that is gone, breaks a test here before it leaves a board empty or an alert silent.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import promql_parser as promql
import pytest
import yaml
from alert_series import SERIES
from homes import QUICK, served
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from governed_home import START
from groundrule.api.metrics import SECONDS
from groundrule.api.settings import RateLimit
from groundrule.cli import commands
from groundrule.cli.monitoring import SHIPPED, monitoring
from groundrule.errors import StoreError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.degraded import LKG_ORDINARY_S, SCREENING_MAX_AGE_S
from groundrule.pipeline.live.delivering import Pace
from groundrule.pipeline.live.detection import MOST_WAITING
from groundrule.pipeline.live.health import ASK_S, POLICY_CHECK_S
from groundrule.pipeline.live.steps import BOUNDS_S
from groundrule.store.home import Home
from small_home import AREAS, copy_home

FOLDER = files("groundrule.api").joinpath("monitoring")
DASHBOARD: dict[str, Any] = json.loads(FOLDER.joinpath("dashboard.json").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(FOLDER.joinpath("alerts.yaml").read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "monitoring.md"
OWN = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
BOARD = [(panel["title"], target["expr"], target["legendFormat"]) for panel in PANELS for target in panel["targets"]]
NOT_SHOWN = {"groundrule_decisions_decided_again"}
"""What is given and stands on no panel: how many were decided again says nothing to whoever is on call."""


# --- what the service gives ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """What /metrics gives: of each sample its labels, and of each label its values."""

    labels: dict[str, dict[str, set[str]]]
    values: dict[str, float]

    @classmethod
    def read(cls, text: str) -> Given:
        labels: dict[str, dict[str, set[str]]] = {}
        values = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                own = labels.setdefault(sample.name, defaultdict(set))
                for label, value in sample.labels.items():
                    own[label].add(value)
                values[sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items()))] = sample.value
        return cls(labels, values)


@pytest.fixture(scope="module")
def seen(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a service says of itself after a day on which everything happened once."""
    home = copy_home(served_template, tmp_path_factory.mktemp("monitored") / "home")
    settings = msgspec.structs.replace(QUICK, rates={**QUICK.rates, "none": RateLimit(0.001, 5)})
    with served(home, settings=settings) as made:
        at = format_instant(START + 7190 * NS_PER_S)
        rows = [
            {"terminal_id": name, "observed_at": at, "lat_deg": lat, "lon_deg": 5.0, "position_sigma_m": 10.0}
            for name, lat in (("car", 5.0), ("guest", 5.1), ("van", 91.0))
        ]
        answer = made.client.post("/v1/observations", json={"rows": rows}, headers=made.key("ingest"))
        assert (answer.json()["accepted"], len(answer.json()["rejected"])) == (2, 1), answer.text
        live = made.service.live("default")
        assert live.detection is not None
        assert live.detection.drain()
        live.commit().result()
        assert made.get("/metrics", made.key("viewer")).status_code == 403
        for _ in range(6):
            made.get("/healthz")
        scraper = made.key("scraper")
        answer = made.get("/metrics", scraper)
        assert answer.status_code == 200
        assert made.get("/v1/status", scraper).status_code == 403
        return answer.text


@pytest.fixture(scope="module")
def given(seen: str) -> Given:
    return Given.read(seen)


def test_what_happened_is_counted(given: Given) -> None:
    one = given.values
    assert one["groundrule_observations_accepted_total"] == 2
    assert sum(value for name, value in one.items() if name.startswith("groundrule_observations_rejected_total")) == 1
    assert sum(value for name, value in one.items() if name.startswith("groundrule_decisions_total")) == 2
    assert one["groundrule_observations_detected_total"] == 2
    assert (one["groundrule_ready"], one["groundrule_pending_observations"], one["groundrule_ledger_entries"] > 2) == (1, 0, True)
    assert one["groundrule_runs_total,result=made"] == 1
    assert {step: one[f"groundrule_step_seconds_count,step={step}"] for step in ("write", "judge", "commit", "detect")} == {
        "write": 1, "judge": 1, "commit": 1, "detect": 1,
    }  # fmt: skip
    assert one["groundrule_newest_observation_age_seconds"] == 10
    assert round(one["groundrule_rulebook_age_seconds"]) == 7200, "the charter was put up two hours before"
    assert one["groundrule_check_ok,check=intake"] == 1


def test_no_label_names_a_terminal_an_account_or_an_area(given: Given) -> None:
    names = {"car", "train", "guest", "van", "late payer", "stranger", "acc-a", "acc-b", "acc-s", "p1", "p2", "p3"}
    names |= {word for area in AREAS for word in (area.id, area.name)}
    said = {value for labels in given.labels.values() for values in labels.values() for value in values}
    assert said, "labels were read"
    assert not {(value, name) for value in said for name in names if re.search(rf"\b{re.escape(name)}\b", value)}


# --- expressions --------------------------------------------------------------------------------------------------------------


def plain(expression: str) -> str:
    """An expression of the board as Prometheus gets it."""
    return expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")


def selectors(node: Any) -> Iterator[Any]:
    """The selectors of an expression."""
    match node:
        case promql.VectorSelector():
            yield node
        case promql.MatrixSelector():
            yield node.vector_selector
        case promql.BinaryExpr():
            yield from selectors(node.lhs)
            yield from selectors(node.rhs)
        case promql.Call():
            for each in node.args:
                yield from selectors(each)
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from selectors(node.expr)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise AssertionError(f"no selector is looked for in {type(node).__name__}")


def groupings(node: Any) -> Iterator[tuple[Any, list[str]]]:
    """Each aggregation with the labels that it keeps."""
    match node:
        case promql.AggregateExpr():
            if node.modifier is not None:
                assert node.modifier.type == promql.AggModifierType.By, "labels are kept by name, so that they can be checked"
                yield node.expr, list(node.modifier.labels)
            yield from groupings(node.expr)
        case promql.BinaryExpr():
            yield from groupings(node.lhs)
            yield from groupings(node.rhs)
        case promql.Call():
            for each in node.args:
                yield from groupings(each)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from groupings(node.expr)
        case _:
            return


def labels_of(node: Any, given: Given) -> set[str]:
    """Labels that the result of an expression has."""
    match node:
        case promql.VectorSelector():
            return set(given.labels.get(node.name, {})) | OWN
        case promql.MatrixSelector():
            return labels_of(node.vector_selector, given)
        case promql.AggregateExpr():
            kept = set() if node.modifier is None else set(node.modifier.labels)
            return labels_of(node.expr, given) if str(node.op) in ("topk", "bottomk") else kept
        case promql.BinaryExpr():
            sides = [labels_of(each, given) for each in (node.lhs, node.rhs)]
            return sides[0] & sides[1] if str(node.op) == "or" else sides[0] or sides[1]
        case promql.Call():
            found: set[str] = set().union(*(labels_of(each, given) for each in node.args))
            gone = {"histogram_quantile": {"le"}, "absent": found, "scalar": found}
            return found - gone.get(node.func.name, set())
        case promql.ParenExpr() | promql.UnaryExpr():
            return labels_of(node.expr, given)
        case _:
            return set()


def alternatives(matcher: Any) -> list[str]:
    return matcher.value.split("|") if matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe) else [matcher.value]


def faults(expression: str, given: Given, *, shown: tuple[str, ...] = ()) -> list[str]:
    """What an expression names that the service does not give."""
    parsed = promql.parse(plain(expression))
    found = []
    for selector in selectors(parsed):
        own = given.labels.get(selector.name)
        if own is None:
            found.append(f"no metric {selector.name}")
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name in OWN:
                continue
            if matcher.name not in own:
                found.append(f"{selector.name} has no label {matcher.name}")
                continue
            known = own[matcher.name] | ({str(int(each)) for each in HTTPStatus} if matcher.name == "status" else set())
            for value in alternatives(matcher):
                if not any(re.fullmatch(value if "." in value else re.escape(value), each) for each in known):
                    found.append(f"{selector.name} has no {matcher.name} {value}")
    for inner, kept in groupings(parsed):
        found += [f"there is no label {label} to group by" for label in kept if label not in labels_of(inner, given)]
    found += [f"the result has no label {label} to show" for label in shown if label not in labels_of(parsed, given)]
    return found


def placeholders(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", text))


@pytest.mark.parametrize(("title", "expression", "legend"), BOARD, ids=[f"{title}-{n}" for n, (title, *_) in enumerate(BOARD)])
def test_every_panel_asks_for_what_the_service_gives(given: Given, title: str, expression: str, legend: str) -> None:
    assert faults(expression, given, shown=placeholders(legend)) == [], title


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_what_the_service_gives(given: Given, rule: dict[str, Any]) -> None:
    shown = tuple(label for text in rule["annotations"].values() for label in placeholders(text))
    assert faults(rule["expr"], given, shown=shown) == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("groundrule_decision_total", "no metric groundrule_decision_total"),
        ("sum(rate(groundrule_decisions[5m]))", "no metric groundrule_decisions"),
        ('groundrule_decisions_total{result="deny"}', "groundrule_decisions_total has no label result"),
        ('groundrule_decisions_total{outcome="denied"}', "groundrule_decisions_total has no outcome denied"),
        ('groundrule_check_ok{check!~"intake|polic"} == 0', "groundrule_check_ok has no check polic"),
        ('groundrule_check_ok{check!~"intak"} == 0', "groundrule_check_ok has no check intak"),
        ('rate(groundrule_http_requests_total{status=~"6.."}[5m])', "groundrule_http_requests_total has no status 6.."),
        ("sum by (terminal) (groundrule_decisions_total)", "there is no label terminal to group by"),
        ("1 > 2 * (vector(1) + groundrule_nothing offset 1d)", "no metric groundrule_nothing"),
    ],
)
def test_what_is_renamed_is_noticed(given: Given, expression: str, fault: str) -> None:
    assert faults(expression, given) == [fault]


def test_a_legend_without_its_label_is_noticed(given: Given) -> None:
    assert faults("sum by (state) (groundrule_decisions_total)", given, shown=("outcome",)) == ["the result has no label outcome to show"]


def test_everything_that_is_given_is_shown(given: Given) -> None:
    asked = {selector.name for _, expression, _ in BOARD for selector in selectors(promql.parse(plain(expression)))}
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in given.labels if not name.endswith("_created")}
    assert bases - {re.sub(r"_bucket$", "", name) for name in asked} == NOT_SHOWN


# --- the board ----------------------------------------------------------------------------------------------------------------


def test_the_board_names_no_source_of_data() -> None:
    text = json.dumps(DASHBOARD)
    assert set(re.findall(r'"type": "prometheus", "uid": "([^"]*)"', text)) == {"${datasource}"}
    assert text.count('"datasource": {') == text.count('"uid": "${datasource}"')
    (source,) = (each for each in DASHBOARD["templating"]["list"] if each["type"] == "datasource")
    assert (source["name"], source["query"], source["current"]) == ("datasource", "prometheus", {})
    assert all(set(target["datasource"].values()) == {"prometheus", "${datasource}"} for panel in PANELS for target in panel["targets"])


def test_the_board_asks_for_any_job_and_lets_one_be_chosen() -> None:
    for title, expression, _ in BOARD:
        for selector in selectors(promql.parse(expression.replace("$__rate_interval", "5m"))):
            chosen = {each.name: each.value for each in selector.matchers.matchers if each.name in OWN}
            assert chosen == {"job": "$job", "instance": "$instance"}, title
    queried = {each["name"]: each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"}
    assert queried == {"job": "label_values(groundrule_ready, job)", "instance": 'label_values(groundrule_ready{job=~"$job"}, instance)'}


def test_panels_lie_beside_each_other_and_not_over_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for place in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert place not in taken, f"{panel['title']} lies over {taken[place]}"
            taken[place] = panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_page_describes_every_row_of_the_board() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == re.findall(r"^\| ([A-Z][a-z ]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


# --- the alerts ---------------------------------------------------------------------------------------------------------------


def section(name: str) -> str:
    found = re.search(rf"^### {name}\n(.*?)(?=^### |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"docs/monitoring.md has no section {name}"
    return found[1]


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"[1-9]\d*m", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description", "docs"}
    assert rule["annotations"]["docs"] == f"docs/monitoring.md#{rule['alert'].lower()}"
    assert len(rule["annotations"]["description"].split()) > 15
    said = section(rule["alert"])
    assert said.strip().startswith(f"*{rule['labels']['severity']},")
    if minutes := re.match(r"\s*\*\w+, after (\d+) minutes?", said):
        assert f"{minutes[1]}m" == rule["for"]


def test_every_section_about_an_alert_is_about_one_that_exists() -> None:
    assert re.findall(r"^### (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == [rule["alert"] for rule in ALERTS]


def threshold(name: str) -> float:
    """What a rule compares with; of several the first."""
    (rule,) = (each for each in ALERTS if each["alert"] == name)

    def found(node: Any) -> Iterator[float]:
        if isinstance(node, promql.BinaryExpr):
            yield from found(node.lhs)
            if str(node.op) == ">" and isinstance(node.rhs, promql.NumberLiteral):
                yield node.rhs.val
            yield from found(node.rhs)

    return next(found(promql.parse(rule["expr"])))


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("GroundrulePolicyUnchecked", 6 * POLICY_CHECK_S),
        ("GroundrulePolicyRunsOut", LKG_ORDINARY_S - 24 * 3600),
        ("GroundruleListsOld", SCREENING_MAX_AGE_S - 4 * 3600),
        ("GroundruleWitnessLag", 1.5 * ASK_S),
        ("GroundruleDetectionBehind", MOST_WAITING / 2),
        ("GroundruleEventsLate", 2 * Pace().longest_s),
        ("GroundruleObservationsStopped", 20 * 15),
    ],
)
def test_a_threshold_follows_from_the_limit_that_it_watches(name: str, limit: float) -> None:
    assert threshold(name) == limit
    assert str(int(limit)) in section(name)


@pytest.mark.parametrize(("name", "bounds"), [("GroundruleAnswersSlow", SECONDS), ("GroundruleDiskSlow", BOUNDS_S)])
def test_a_threshold_of_a_duration_is_the_end_of_a_class(name: str, bounds: tuple[float, ...]) -> None:
    assert threshold(name) in bounds, "between two ends a quantile is a guess"
    assert f"{threshold(name):g}" in section(name)


@pytest.mark.parametrize("name", ["GroundruleServerErrors", "GroundruleRejectsMany", "GroundruleDenialsRise"])
def test_a_share_that_is_judgement_stands_in_the_page(name: str) -> None:
    assert f"{threshold(name):g}" in section(name)


def test_the_limits_that_texts_name_are_those_of_the_program() -> None:
    texts = {rule["alert"]: rule["annotations"]["description"] + section(rule["alert"]) for rule in ALERTS}
    assert texts["GroundruleDetectionBehind"].count(f"{MOST_WAITING:,}") == 2
    assert texts["GroundrulePolicyRunsOut"].count(f"{LKG_ORDINARY_S // 3600} hours") == 2
    assert texts["GroundruleListsOld"].count(f"{SCREENING_MAX_AGE_S // 3600} hours") == 2
    assert texts["GroundruleEventsDead"].count(f"{Pace().dead_days:g} days") == 1
    assert f"{Pace().tries} times" in texts["GroundruleEventsLate"]


def test_the_page_explains_every_check_cause_and_step_that_the_service_names(given: Given) -> None:
    page = PAGE.read_text(encoding="utf-8")
    checks = set(re.findall(r"^\| `(\w+)` \|", page.partition("## Checks")[2].partition("## Alerts")[0], re.MULTILINE))
    assert checks == given.labels["groundrule_check_ok"]["check"] | {"watch"}
    steps = set(re.findall(r"^\| `(\w+)` \|", page.partition("## Steps")[2].partition("## Checks")[0], re.MULTILINE))
    assert steps == given.labels["groundrule_step_seconds_count"]["step"]
    table = (PAGE.parent / "degraded.md").read_text(encoding="utf-8").partition("## Causes")[2].partition("## The table")[0]
    assert given.labels["groundrule_degraded"]["cause"] < set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))


# --- in Prometheus itself -------------------------------------------------------------------------------------------------------

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool, which comes with Prometheus, is not installed")


def test_every_alert_has_series_that_raise_it_and_series_that_do_not() -> None:
    assert list(SERIES) == [rule["alert"] for rule in ALERTS]


@needs_promtool
@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_is_raised_when_it_should_be_and_not_before(rule: dict[str, Any], tmp_path: Path) -> None:
    assert PROMTOOL is not None
    rules = tmp_path / "rules.yaml"
    rules.write_bytes(FOLDER.joinpath("alerts.yaml").read_bytes())
    case = SERIES[rule["alert"]]
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in (case.bad if bad else case.good).items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{rule["alert"]}",alertstate="firing"}}) or vector(0)',
                    "eval_time": case.at,
                    "exp_samples": [{"labels": "{}", "value": int(bad)}],
                }
            ],
        }
        for bad in (True, False)
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}), encoding="utf-8")
    done = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- how they reach a user ------------------------------------------------------------------------------------------------------


def test_the_command_writes_both_files_as_they_are_shipped(tmp_path: Path) -> None:
    done = CliRunner().invoke(commands("monitoring"), ["monitoring", "--out", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    for source, name in SHIPPED.items():
        assert (tmp_path / "new" / name).read_bytes() == FOLDER.joinpath(source).read_bytes()


def test_a_place_that_cannot_be_written_is_named_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with pytest.raises(StoreError, match=r"cannot write `.*groundrule-dashboard.json`") as caught:
        monitoring(tmp_path / "file")
    assert caught.value.help == "name a directory that you may write"


def test_the_page_shows_how_prometheus_asks() -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    asked = yaml.safe_load(shown)
    assert [Path(each).name for each in asked["rule_files"]] == [SHIPPED["alerts.yaml"]]
    (job,) = asked["scrape_configs"]
    assert job["scheme"] == "https"
    assert "credentials_file" in job["authorization"]
