"""The deployment files are valid, and agree with each other and with the server's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from customerio_track_mcp.settings.http import HttpSettings
from tests.support.documents import DEPLOY, HTTP_VARIABLES, VARIABLES, section

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
SETTINGS = set(VARIABLES) | set(HTTP_VARIABLES)


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def container() -> dict[str, Any]:
    (deployment,) = read("deployment.yaml")
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(server)


@pytest.mark.parametrize("name", FILES)
def test_manifests_match_the_kubernetes_schemas(name: str) -> None:
    documents = read(name)
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_an_invalid_manifest_is_rejected() -> None:
    (service,) = read("service.yaml")
    service["spec"]["port"] = service["spec"].pop("ports")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, kubernetes_validate.latest_version(), strict=True)


def test_kustomization_lists_every_manifest() -> None:
    (kustomization,) = read("kustomization.yaml")
    assert sorted(kustomization["resources"]) == FILES


def test_manifests_contain_one_resource_of_each_kind() -> None:
    kinds = sorted(document["kind"] for name in FILES for document in read(name))
    assert kinds == ["Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service"]


def test_secrets_come_from_a_kubernetes_secret() -> None:
    for entry in container()["env"]:
        assert entry["name"] in SETTINGS
        if any(word in entry["name"] for word in ("KEY", "SITE_ID", "STORAGE")):
            assert "value" not in entry
            assert "secretKeyRef" in entry["valueFrom"]


def test_termination_period_and_replicas_cover_the_settings() -> None:
    (deployment,) = read("deployment.yaml")
    settings = {entry["name"]: entry.get("value") for entry in container()["env"]}
    seconds = int(settings["CUSTOMERIO_HTTP_DRAIN_DELAY"]) + int(settings["CUSTOMERIO_HTTP_GRACE_PERIOD"])
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= seconds + 10
    (autoscaler,) = read("autoscaling.yaml")
    surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert int(settings["CUSTOMERIO_REPLICAS"]) > autoscaler["spec"]["maxReplicas"] + surge


def test_container_runs_without_privileges() -> None:
    (deployment,) = read("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container()["resources"].keys() == {"requests", "limits"}


def test_memory_follows_from_the_documented_sum_and_the_settings() -> None:
    memory = section("### Memory", DEPLOY)
    process, calls, bodies, connections, parsing = (int(mb) for mb in re.findall(r"\| (\d+) MB \|", memory))
    settings = HttpSettings()
    assert calls == round(settings.max_in_flight * 140_000 / 1e6)
    assert bodies == round(settings.max_request_memory / 1e6)
    assert connections == round(settings.max_connections * 80 * 1024 / 1e6)
    total = process + calls + bodies + connections + parsing
    assert f"The sum is {total} MB." in memory
    resources = container()["resources"]
    assert mebibytes(resources["requests"]["memory"]) * 1.048_576 >= process + calls + bodies
    assert mebibytes(resources["limits"]["memory"]) * 1.048_576 >= 1.2 * total


def mebibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi"))


def test_compose_file_uses_known_settings_and_pinned_images() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    replicas = [compose["services"][name] for name in ("mcp-1", "mcp-2")]
    for replica in replicas:
        assert set(replica["environment"]) <= SETTINGS
        assert replica["read_only"]
    assert replicas[0]["environment"]["CUSTOMERIO_REPLICAS"] == str(len(replicas))
    upstreams = compose["services"]["proxy"]["environment"]["MCP_UPSTREAMS"].split()
    assert upstreams == ["mcp-1:8000", "mcp-2:8000"]
    images = [service["image"] for service in compose["services"].values()]
    assert all(":" in image and not image.endswith(":latest") for image in images)
