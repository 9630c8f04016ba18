"""The Helm chart, rendered by Helm's own engine (as a library, without a cluster)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from stream.config import Config, load
from stream.messaging.curve.keys import KeyPair
from support.repository import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "partstream"
LEAST: dict[str, Any] = {"tokens": {"existingSecret": "tokens"}}
ALL: dict[str, Any] = LEAST | {
    "config": {"model": {"device": "cuda"}, "cameras": [{"id": "yard", "source": "rtsp://10.0.0.8/stream"}]},
    "cameras": {"existingSecret": "cameras"},
    "curve": {"existingSecret": "curve", "allowedKeys": {"wall": KeyPair.new().public_certificate()}},
    "tls": {"existingSecret": "tls"},
    "gpu": {"count": 1, "runtimeClassName": "nvidia"},
    "persistence": {"enabled": True, "storageClassName": "fast"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "tlsConfig": {"serverName": "engine"}},
    "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}],
    "podAnnotations": {"team": "cameras"},
    "nodeSelector": {"gpu": "yes"},
}
INFORMATION = 1
"""Helm's severity below a warning."""


@pytest.fixture(scope="module", params=[LEAST, ALL], ids=["least", "all"])
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_helm_reports_no_errors(values: dict[str, Any]) -> None:
    report = helm_python.lint(CHART, values, strict=True)
    assert report["total_charts_linted"] == 1
    assert not [message for message in report["messages"] if message["severity"] > INFORMATION]


def test_rendered_objects_are_valid_for_kubernetes(values: dict[str, Any]) -> None:
    kinds = [manifest["kind"] for manifest in rendered(values)]
    assert {"ConfigMap", "Deployment", "Service"} <= set(kinds)
    for manifest in rendered(values):
        if manifest["kind"] != "ServiceMonitor":  # Prometheus operator's, no part of Kubernetes
            kubernetes_validate.validate(manifest, "1.30", strict=True)


def test_its_configuration_is_valid(values: dict[str, Any], tmp_path: Path) -> None:
    config = configuration(values, tmp_path)
    assert config.http.bind == "0.0.0.0:9090"
    assert (config.publish.endpoint == "tcp://0.0.0.0:5555") is ("curve" in values)


def test_every_path_that_the_configuration_names_is_mounted(tmp_path: Path) -> None:
    config = configuration(ALL, tmp_path)
    mounts = [mount["mountPath"] for mount in container(ALL)["volumeMounts"]]
    for path in (
        config.publish.curve_secret_key_file,
        config.publish.curve_allowed_keys,
        config.http.tls_certificate,
        config.http.tls_key,
        config.state_file,
    ):
        assert path is not None
        assert any(path.is_relative_to(mount) for mount in mounts), path


def test_the_configuration_overrides_the_chart(tmp_path: Path) -> None:
    config = configuration(LEAST | {"config": {"publish": {"allow_plaintext": True, "replay": "tcp://*:7"}}}, tmp_path)
    assert (config.publish.endpoint, config.publish.replay) == ("tcp://0.0.0.0:5555", "tcp://*:7")


def test_containers_have_probes_limits_and_no_rights() -> None:
    engine = container(ALL)
    for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert engine[probe]["httpGet"] == {"path": path, "port": "http", "scheme": "HTTPS"}
    assert engine["resources"]["limits"] == {"memory": "4Gi", "nvidia.com/gpu": 1}
    assert pod(ALL)["securityContext"]["runAsNonRoot"] is True
    for each in (engine, *pod(ALL)["initContainers"]):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"cameras": [{"id": "door", "source": "rtsp://user:sesame@10.0.0.7/s"}]}, "cameras.existingSecret"),
        ({"http": {"read_token": "sesame"}}, "tokens.existingSecret"),
        ({"webrtc": {"ice_servers": [{"urls": ["turn:t"], "credential": "sesame"}]}}, "extraEnv"),
    ],
    ids=["camera", "token", "turn"],
)
def test_it_takes_no_secret_into_a_config_map(config: dict[str, Any], says: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=says) as refused:
        rendered(LEAST | {"config": config})
    assert "sesame" not in str(refused.value)


def test_an_unknown_value_is_an_error() -> None:
    with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmError, match="allowedKey"):
        chart.validate_schema(LEAST | {"curve": {"allowedKey": {}}})


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every manifest."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name="watch", namespace="cameras")
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def configuration(values: dict[str, Any], folder: Path) -> Config:
    """Return the configuration that the engine reads in the pod."""
    maps = {each["metadata"]["name"]: each["data"] for each in rendered(values) if each["kind"] == "ConfigMap"}
    file = folder / "partstream.yaml"
    file.write_text(maps["watch-partstream"]["partstream.yaml"], encoding="utf-8")
    return load(file)


def pod(values: dict[str, Any]) -> dict[str, Any]:
    (deployment,) = (manifest for manifest in rendered(values) if manifest["kind"] == "Deployment")
    return deployment["spec"]["template"]["spec"]


def container(values: dict[str, Any]) -> dict[str, Any]:
    (engine,) = pod(values)["containers"]
    return engine
