"""The Kubernetes files against Kubernetes' own schemas, and against what the server can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.test_documents import HTTP_VARIABLES, VARIABLES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
SETTINGS = set(VARIABLES) | set(HTTP_VARIABLES)


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def container() -> dict[str, Any]:
    (deployment,) = read("deployment.yaml")
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_what_kubernetes_takes(name: str) -> None:
    documents = read(name)
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_mistake_would_be_found() -> None:
    (service,) = read("service.yaml")
    service["spec"]["port"] = service["spec"].pop("ports")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, kubernetes_validate.latest_version(), strict=True)


def test_the_kustomization_names_every_file() -> None:
    (kustomization,) = read("kustomization.yaml")
    assert sorted(kustomization["resources"]) == FILES


def test_there_is_one_of_each_kind_that_a_deployment_needs() -> None:
    kinds = sorted(document["kind"] for name in FILES for document in read(name))
    assert kinds == ["Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service"]


def test_no_secret_stands_in_the_files() -> None:
    for entry in container()["env"]:
        assert entry["name"] in SETTINGS
        if any(word in entry["name"] for word in ("KEY", "SITE_ID", "STORAGE")):
            assert "value" not in entry
            assert "secretKeyRef" in entry["valueFrom"]


def test_nothing_is_torn_from_its_work() -> None:
    (deployment,) = read("deployment.yaml")
    told = {entry["name"]: entry.get("value") for entry in container()["env"]}
    seconds = int(told["CUSTOMERIO_HTTP_DRAIN_DELAY"]) + int(told["CUSTOMERIO_HTTP_GRACE_PERIOD"])
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= seconds + 10
    (autoscaler,) = read("autoscaling.yaml")
    surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert int(told["CUSTOMERIO_REPLICAS"]) > autoscaler["spec"]["maxReplicas"] + surge


def test_the_container_may_do_little() -> None:
    (deployment,) = read("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container()["resources"].keys() == {"requests", "limits"}


def test_the_compose_file_sets_what_exists() -> None:
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
