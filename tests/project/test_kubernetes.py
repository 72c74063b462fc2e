"""The deployment files are valid, and agree with each other and with the server's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.http import HttpSettings
from tests.support.documents import DEPLOY, HTTP_VARIABLES, VARIABLES, section
from tests.support.http_service import PING, TOKEN, bearer, running_service

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


def test_ingress_matches_the_schema_the_service_and_the_limits() -> None:
    (ingress,) = read("optional/ingress.yaml")
    kubernetes_validate.validate(ingress, kubernetes_validate.latest_version(), strict=True)
    (service,) = read("service.yaml")
    (rule,) = ingress["spec"]["rules"]
    settings = {entry["name"]: entry.get("value") for entry in container()["env"]}
    assert settings["CUSTOMERIO_HTTP_PUBLIC_URL"] == f"https://{rule['host']}/mcp"
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    for path in rule["http"]["paths"]:
        backend = path["backend"]["service"]
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    # Not /metrics, /healthz and /readyz.
    assert {path["path"] for path in rule["http"]["paths"]} == {"/mcp", "/.well-known/oauth-protected-resource"}
    annotations = ingress["metadata"]["annotations"]
    for size in ("nginx.ingress.kubernetes.io/proxy-body-size", "nginx.org/client-max-body-size"):
        assert int(annotations[size].removesuffix("m")) * 2**20 > HttpSettings().max_body_bytes
    for seconds in ("nginx.ingress.kubernetes.io/proxy-read-timeout", "nginx.org/proxy-read-timeout"):
        assert int(annotations[seconds].removesuffix("s")) > VARIABLES["CUSTOMERIO_TIME_BUDGET"].default
    for buffering in ("nginx.ingress.kubernetes.io/proxy-buffering", "nginx.org/proxy-buffering"):
        assert annotations[buffering] in {"off", "False"}


def test_pause_file_is_a_key_of_an_optional_config_map() -> None:
    (deployment,) = read("deployment.yaml")
    settings = {entry["name"]: entry.get("value") for entry in container()["env"]}
    folder, _, key = settings["CUSTOMERIO_PAUSE_FILE"].rpartition("/")
    (mount,) = [mount for mount in container()["volumeMounts"] if mount["mountPath"] == folder]
    # With subPath, the kubelet would not update it.
    assert mount.keys() == {"name", "mountPath", "readOnly"}
    (volume,) = [
        volume for volume in deployment["spec"]["template"]["spec"]["volumes"] if volume["name"] == mount["name"]
    ]
    assert volume["configMap"]["optional"]
    assert f"kubectl create configmap {volume['configMap']['name']} --from-literal={key}=" in DEPLOY
    assert f"kubectl delete configmap {volume['configMap']['name']}\n" in DEPLOY


def test_patch_for_the_write_log_fits_the_deployment() -> None:
    (deployment,), (patch,) = read("deployment.yaml"), read("optional/write-log.yaml")
    pod, added = deployment["spec"]["template"]["spec"], patch["spec"]["template"]["spec"]
    (server,), (changes, reader) = pod["containers"], added["containers"]
    assert changes["name"] == server["name"]
    for field in ("env", "volumeMounts"):
        server[field] += changes[field]
    pod["containers"].append(reader)
    pod["volumes"] += added["volumes"]
    kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)
    (setting,) = changes["env"]
    assert setting["name"] == "CUSTOMERIO_WRITE_LOG"
    assert reader["command"][-1] == setting["value"]
    assert {mount["mountPath"] for mount in (*changes["volumeMounts"], *reader["volumeMounts"])} == {
        setting["value"].rpartition("/")[0]
    }
    assert reader["securityContext"] == server["securityContext"]


def test_every_optional_manifest_is_in_the_guide() -> None:
    for path in (FOLDER / "optional").iterdir():
        assert f"deploy/kubernetes/optional/{path.name}" in DEPLOY


@pytest.mark.parametrize("suffix", ["", ".{namespace}", ".{namespace}.svc", ".{namespace}.svc.cluster.local"])
async def test_service_accepts_its_names_within_the_cluster(sandbox: RunningSandbox, suffix: str) -> None:
    (kustomization,), (service,) = read("kustomization.yaml"), read("service.yaml")
    settings = {entry["name"]: entry.get("value") for entry in container()["env"]}
    hostname = service["metadata"]["name"] + suffix.format(namespace=kustomization["namespace"])
    # As from the environment, where it is text.
    allowed = HttpSettings.model_validate({"allowed_hosts": settings["CUSTOMERIO_HTTP_ALLOWED_HOSTS"]}).allowed_hosts
    async with running_service(sandbox.url, tokens=f"ann {TOKEN}", allowed_hosts=allowed) as http:
        response = await http.post("/mcp", json=PING, headers=bearer(TOKEN) | {"Host": hostname})
        assert response.status_code == 200
        other = await http.post("/mcp", json=PING, headers=bearer(TOKEN) | {"Host": f"{hostname}.evil.example"})
        assert other.status_code == 421


def test_names_are_resolved_wherever_the_cluster_resolves_them() -> None:
    (policy,) = read("network.yaml")
    anywhere = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
    allowed = {(port["protocol"], port["port"]) for ports in anywhere for port in ports}
    # 53 in most clusters, 5353 for the pods of OpenShift's DNS.
    assert allowed >= {(protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)}


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
    assert connections == round(settings.max_connections * 144 * 1024 / 1e6)
    total = process + calls + bodies + connections + parsing
    assert f"The sum is {total} MB." in memory
    resources = container()["resources"]
    assert mebibytes(resources["requests"]["memory"]) * 1.048_576 >= process + calls + bodies
    assert mebibytes(resources["limits"]["memory"]) * 1.048_576 >= 1.2 * total


def mebibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi"))


def test_proxy_closes_idle_connections_before_the_service() -> None:
    caddyfile = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    (seconds,) = re.findall(r"^\t\t\tkeepalive (\d+)s$", caddyfile, re.MULTILINE)
    assert int(seconds) < HttpSettings().keep_alive


def test_compose_file_uses_known_settings_and_pinned_images() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    replicas = [compose["services"][name] for name in ("mcp-1", "mcp-2")]
    for replica in replicas:
        assert set(replica["environment"]) <= SETTINGS
        assert replica["read_only"]
        assert "/readyz" in replica["healthcheck"]["test"][-1]
    assert replicas[0]["environment"]["CUSTOMERIO_REPLICAS"] == str(len(replicas))
    folder, _, _ = replicas[0]["environment"]["CUSTOMERIO_PAUSE_FILE"].rpartition("/")
    assert f"./pause:{folder}:ro" in replicas[0]["volumes"]
    upstreams = compose["services"]["proxy"]["environment"]["MCP_UPSTREAMS"].split()
    assert upstreams == ["mcp-1:8000", "mcp-2:8000"]
    images = [service["image"] for service in compose["services"].values()]
    assert all(":" in image and not image.endswith(":latest") for image in images)
