"""Values of one key alone, as they reach the objects."""

from __future__ import annotations

import json

import pytest

from settings.parse import parse
from tests.unit.test_settings import PRESET, VALID, mistakes, only


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("12345678", "12345678"),
        ("-12345678", "-12345678"),
        ("0.123456789", "0.123456789"),
        ("1234567.0", "1234567"),
        ("8.0", "8"),
        ("0.5", "0.5"),
    ],
)
def test_a_number_where_a_text_stands_keeps_all_its_digits(number: str, text: str) -> None:
    changed = {
        "serverExtraArgs": f'["--seed", {number}]',
        "extraEnv": f'{{"LIMIT": {number}}}',
        "labels": f'{{"tier": {number.lstrip("-")}}}',
    }
    settings = parse(VALID | changed, secret=frozenset()).settings
    assert settings is not None
    assert settings.server_extra_args == ("--seed", text)
    assert settings.extra_env == {"LIMIT": text}
    assert settings.labels == {"tier": text.lstrip("-")}


def test_bytes_of_memory_may_be_a_number() -> None:
    presets = json.dumps([PRESET | {"memory": 34359738368}])
    settings = parse(VALID | {"presets": presets}, secret=frozenset()).settings
    assert settings is not None
    assert settings.presets[0].memory == "34359738368"


@pytest.mark.parametrize("name", ["-mistral", "--port", " ", "a\nb", "a\0"])
def test_a_served_name_that_vllm_would_take_for_a_flag_or_no_client_could_send_is_refused(
    name: str,
) -> None:
    assert only({"servedModelName": name}).startswith("servedModelName: ")


@pytest.mark.parametrize("name", ["mistral", "acme/chat:v2", "größe 7b", "a-b"])
def test_a_served_name_is_any_other_text(name: str) -> None:
    assert mistakes({"servedModelName": name}) == []


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
def test_a_preset_has_a_name_that_a_line_of_the_preview_can_hold(name: str) -> None:
    presets = json.dumps([PRESET | {"name": name}])
    assert only({"presets": presets}).startswith("presets[0].name: ")


@pytest.mark.parametrize("driver", ["Files!", "a b", "a" * 64, "files..example.com"])
def test_what_is_no_name_of_a_csi_driver_is_refused(driver: str) -> None:
    line = only({"cache": json.dumps({"storage": "csi", "driver": driver})})
    assert line.startswith(f"cache.driver: {driver!r} is refused; ")
    assert mistakes({"cache": '{"storage": "csi", "driver": "files.example.com"}'}) == []


@pytest.mark.parametrize("name", ["Fast", "a b", "-a", "a" * 254])
def test_what_is_no_name_of_a_storage_class_is_refused(name: str) -> None:
    assert only({"cache": json.dumps({"storageClass": name})}).startswith("cache.storageClass: ")
    # No class at all: a volume that an administrator made.
    assert mistakes({"cache": '{"storageClass": ""}'}) == []


@pytest.mark.parametrize(
    "image", ["https://registry.example.com/vllm:v1", ":v1", "/vllm:v1", "a//b:v1", "vllm_:v1"]
)
def test_an_image_that_no_kubelet_could_pull_is_refused(image: str) -> None:
    assert only({"image": image}).startswith(f"image: {image!r} is refused; ")


@pytest.mark.parametrize(
    "image",
    [
        "vllm:v1",
        "registry.example.com:5000/a/b__c/d-e:v1",
        "Registry.example.com/a:v1",
        "localhost/a:v1",
        "[fd00::1]:5000/a:v1",
        "vllm/vllm-openai:v0.31.0@sha256:" + "a" * 64,
    ],
)
def test_an_image_is_any_reference_with_a_tag_or_digest(image: str) -> None:
    assert mistakes({"image": image}) == []


@pytest.mark.parametrize("key", ["context", "clusterId", "renderTo"])
def test_an_empty_text_names_no_cluster_and_no_folder(key: str) -> None:
    other = "renderTo" if key == "context" else "context"
    line = only({"kubernetes": json.dumps({key: "", other: "a"})})
    assert line.startswith(f"kubernetes.{key}: '' is refused; it is not empty; ")


@pytest.mark.parametrize(
    ("key", "name", "most"),
    [
        ("rollout", "startSeconds", 604800),
        ("rollout", "downloadSeconds", 604800),
        ("autoscaling", "coldStart.waitSeconds", 86400),
        ("autoscaling", "scaleUp.pods", 1000),
        ("autoscaling", "scaleDown.pods", 1000),
    ],
)
def test_a_number_has_a_bound_where_kubernetes_has_one(key: str, name: str, most: int) -> None:
    def nested(number: int) -> dict[str, str]:
        value: object = number
        for part in reversed(name.split(".")):
            value = {part: value}
        return {key: json.dumps(value)}

    assert mistakes(nested(most)) == []
    assert only(nested(most + 1)).startswith(f"{key}.{name}: {most + 1} is refused; ")


def test_replicas_have_the_bound_of_the_autoscaler() -> None:
    many = {"cache": '{"accessMode": "ReadWriteMany"}'}
    assert mistakes(many | {"replicas": "1000"}) == []
    assert only(many | {"replicas": "1001"}).endswith("; write 1000 or less")


@pytest.mark.parametrize("group", [-1, 2**31])
def test_what_is_no_number_of_a_group_is_refused(group: int) -> None:
    presets = json.dumps([PRESET | {"pool": {"deviceGroups": [44, group]}}])
    assert only({"presets": presets}).startswith("presets[0].pool.deviceGroups[1]: ")


@pytest.mark.parametrize("price", ["Infinity", "NaN"])
def test_a_price_is_a_number_that_can_be_written(price: str) -> None:
    presets = json.dumps([PRESET]).replace("}", f', "pricePerHour": {price}}}')
    line = only({"presets": presets})
    assert line.startswith("presets[0].pricePerHour: ")
    assert line.endswith("; write a number, such as 0.9")


@pytest.mark.parametrize("interval", ["2562048h", "9999999s", "9" * 30 + "m"])
def test_an_interval_that_go_cannot_hold_is_refused(interval: str) -> None:
    def external(value: str) -> dict[str, str]:
        token = {"store": "vault", "key": "hub", "refreshInterval": value}
        return {"huggingFaceTokenExternal": json.dumps(token)}

    line = only(external(interval))
    assert line.startswith("huggingFaceTokenExternal.refreshInterval: ")
    assert mistakes(external("999999h999999m999999s")) == []


@pytest.mark.parametrize("key", [".", "..", "..token", "a" * 254])
def test_what_is_no_entry_of_a_secret_is_refused(key: str) -> None:
    line = only({"huggingFaceTokenSecret": json.dumps({"name": "hub", "key": key})})
    assert line.startswith(f"huggingFaceTokenSecret.key: {key!r}"[:200])
    assert mistakes({"huggingFaceTokenSecret": '{"name": "hub", "key": ".token..a"}'}) == []


@pytest.mark.parametrize("address", ["http://:80", "http://?a", "https://:0/x"])
def test_an_address_names_a_host(address: str) -> None:
    auth = {"kind": "forwardAuth", "address": address}
    line = only({"ingress": json.dumps({"host": "llm.example.com", "auth": auth})})
    assert line.startswith(f"ingress.auth.address: {address!r} is refused; ")


@pytest.mark.parametrize(
    ("key", "quantity", "remedy"),
    [
        ("cpu", "8Gi", "write it like 8 or 500m"),
        ("cpu", "1" + "0" * 18, "write it like 8 or 500m"),
        ("memory", "100m", "write it like 32Gi or 500M"),
        ("memory", "1" + "0" * 18 + "Gi", "write it like 32Gi or 500M"),
    ],
)
def test_cpus_are_no_bytes_and_bytes_have_no_thousandths(
    key: str, quantity: str, remedy: str
) -> None:
    line = only({"presets": json.dumps([PRESET | {key: quantity}])})
    assert line.startswith(f"presets[0].{key}: {quantity!r} is refused; ")
    assert line.endswith(remedy)
    for fine in ("8", "500m") if key == "cpu" else ("32Gi", "500M", "1073741824"):
        assert mistakes({"presets": json.dumps([PRESET | {key: fine}])}) == []


@pytest.mark.parametrize("value", ["a\0b", "a\nb", ""])
def test_what_is_no_field_of_a_stored_value_is_refused(value: str) -> None:
    token = {"store": "vault", "key": "hub", "property": value}
    line = only({"huggingFaceTokenExternal": json.dumps(token)})
    assert line.startswith("huggingFaceTokenExternal.property: ")


def test_a_variable_holds_no_end_of_a_text() -> None:
    line = only({"extraEnv": '{"A": "a\\u0000b"}'})
    assert line.startswith("extraEnv.A: its value is refused; it is a text without NUL")


@pytest.mark.parametrize("server", ["nas\0", "nas\n", " "])
def test_what_is_no_address_of_a_file_server_is_refused(server: str) -> None:
    cache = {"storage": "nfs", "server": server, "path": "/models"}
    assert only({"cache": json.dumps(cache)}).startswith("cache.server: ")
