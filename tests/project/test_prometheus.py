"""The files for Prometheus: what the rules use exists, and they are the same with and without the operator."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import yaml

from customerio_track_mcp.http.auth.scopes import METRICS_SCOPE
from tests.support.documents import DEPLOY, ROOT, section

PREFIX: Final = "customerio_track_mcp_"
JOB: Final = "customerio-track-mcp"
METRICS: Final[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "data" / "snapshots" / "metrics.json").read_text(encoding="utf-8")
)
FROM_SCRAPING: Final = {"instance", "job"}


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    (group,) = load("prometheus/alerts.yaml")["groups"]
    return list(group["rules"])


def exposed_names() -> dict[str, set[str]]:
    """Return the labels of each metric by the name under which Prometheus stores it."""
    suffix = {"counter": "_total", "histogram": "_bucket", "gauge": ""}
    return {name + suffix[metric["type"]]: set(metric["labels"]) for name, metric in METRICS.items()}


def test_rules_use_metrics_and_labels_that_exist() -> None:
    exposed = exposed_names()
    for rule in rules():
        used = re.findall(rf"\b({PREFIX}\w+)(?:{{(.*?)}})?", rule["expr"])
        assert used or rule["expr"].startswith("up{")
        for name, matchers in used:
            assert name in exposed, rule["alert"]
            assert set(re.findall(r"(\w+)=", matchers)) <= exposed[name], rule["alert"]
        available = set().union(*(exposed[name] for name, _ in used), FROM_SCRAPING)
        grouped = re.findall(r"\bby \((\w+)\)", rule["expr"])
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert set(grouped) | shown <= available, rule["alert"]
        # What an aggregation drops cannot be shown.
        assert not grouped or shown <= set(grouped), rule["alert"]


def test_rules_use_outcomes_that_are_documented() -> None:
    (documented,) = re.findall(rf"`{PREFIX}tool_calls_total.*?` \| (.*) \|", DEPLOY)
    outcomes = set(re.findall(r"`(\w+)`", documented))
    assert "ok" in outcomes
    for rule in rules():
        for matched in re.findall(r'outcome=~?"([\w|]+)"', rule["expr"]):
            assert set(matched.split("|")) < outcomes, rule["alert"]


def test_each_failure_that_an_operator_must_fix_has_a_rule() -> None:
    expressions = " ".join(rule["expr"] for rule in rules())
    for outcome in (
        "unauthorized",
        "redirected",
        "no_credentials",
        "intercepted",
        "proxy_refused",
        "tls_failed",
        "bug",
    ):
        assert outcome in expressions
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_the_operator_gets_the_same_rules() -> None:
    operators = load("kubernetes/optional/alerts.yaml")
    assert (operators["apiVersion"], operators["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert operators["spec"] == load("prometheus/alerts.yaml")


def test_prometheus_in_compose_scrapes_each_replica_with_a_token() -> None:
    compose, configuration = load("compose.yaml"), load("prometheus/prometheus.yml")
    (job,) = configuration["scrape_configs"]
    replicas = [f"{name}:8000" for name in compose["services"] if name.startswith("mcp-")]
    assert job["static_configs"] == [{"targets": replicas}]
    assert job["job_name"] == JOB
    assert configuration["rule_files"] == ["alerts.yaml"]
    prometheus = compose["services"]["prometheus"]
    assert "./prometheus:/etc/prometheus:ro" in prometheus["volumes"]
    assert prometheus["ports"] == ["127.0.0.1:9090:9090"]
    token = f"deploy/prometheus/{job['authorization']['credentials_file']}"
    assert f"> {token}\n" in section("### Scraping", DEPLOY)
    assert token in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_pod_monitor_scrapes_each_pod_with_a_token() -> None:
    monitor, (deployment,) = load("kubernetes/optional/podmonitor.yaml"), [load("kubernetes/deployment.yaml")]
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    pod = deployment["spec"]["template"]
    assert monitor["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    # The rules select this job.
    assert pod["metadata"]["labels"][monitor["spec"]["jobLabel"]] == JOB
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert endpoint["path"] == "/metrics"
    secret = endpoint["authorization"]["credentials"]
    assert f"create secret generic {secret['name']} --from-file={secret['key']}=" in section("### Scraping", DEPLOY)
    assert METRICS_SCOPE in section("### Scraping", DEPLOY)
