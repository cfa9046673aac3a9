"""A model over several nodes: when it is planned, what each rank holds, and what rules it out."""

from collections.abc import Mapping

import pytest

from catalog.loader import find_model
from cluster.multi_node import switch_warnings
from cluster.storage import claim_mistakes
from planning.errors import PlanError
from planning.explain import preview_lines
from planning.multi_node import NEEDED_FLAGS
from planning.overrides import Overrides
from planning.plan import Plan
from planning.stack import make_plan
from planning.stages import largest_stage, stage_refusal
from planning.volumes import HeldClaim
from settings.models import Preset
from tests.choices import GPUS, chosen, only, planned, preset, stack_settings

LARGE = "mistral-large-3"
"""675 billion parameters in FP8: 40 GiB for each of 16 GPUs, 80 for each of 8."""

H100 = preset("h100-80", 8, price=36, capacity=5)
SHARED: Mapping[str, object] = {"accessMode": "ReadWriteMany"}


def large(presets: list[Preset], **keys: object) -> Plan:
    asked: dict[str, object] = {"model": LARGE, "multiNode": {"maxNodes": 2}, "cache": SHARED}
    return make_plan(stack_settings(presets, **(asked | keys)), stack="dev")


def refusal(**keys: object) -> str:
    with pytest.raises(PlanError) as caught:
        large([H100], **keys)
    return str(only(caught.value.mistakes))


def value(args: tuple[str, ...], flag: str) -> str:
    return args[args.index(flag) + 1]


def test_without_the_setting_a_model_of_two_nodes_is_refused_and_the_refusal_names_it() -> None:
    text = refusal(multiNode={})
    assert "h100-80-8 lacks 15.6 GiB per GPU, 88.4 of 72.8" in text
    assert "set multiNode.maxNodes to 2 (2 nodes of 'h100-80-8')" in text


@pytest.mark.parametrize("name", [LARGE, "deepseek-v3"])
def test_the_large_models_fit_two_nodes_of_eight_h100(name: str) -> None:
    found = chosen(name, [H100], max_nodes=2).chosen
    _, sized = found.settled()
    assert (sized.nodes, sized.tensor_parallel) == (2, 8)
    assert sized.memory.required_gib <= sized.memory.usable_gib
    # Half of the weights on each node, shared by its GPUs, and the embeddings on the fullest.
    least = find_model(name).weights_bytes / 16 / 2**30
    assert least < sized.memory.weights_gib < least * 1.15


def test_four_nodes_hold_what_two_do_not() -> None:
    base = "mistral-large-3-675b-base-2512"
    with pytest.raises(PlanError, match=r"lacks [\d.]+ GiB per GPU on 2 nodes, [\d.]+ of 72\.8"):
        chosen(base, [H100], max_nodes=2)
    assert chosen(base, [H100], max_nodes=8).chosen.nodes == 3


def test_one_node_is_taken_where_one_suffices_even_if_two_smaller_are_cheaper() -> None:
    small, big = preset("h100-80", 8, price=10), preset("b200", 8, price=70)
    assert chosen(LARGE, [small, big], max_nodes=2).chosen.preset.name == "b200-8"


def test_the_price_is_that_of_all_nodes_and_decides() -> None:
    cheap, dear = preset("h100-80", 8, price=36), preset("a100-80", 8, price=40)
    plan = large([cheap, dear, preset("mi300x", 2, price=30)], multiNode={"maxNodes": 4})
    assert (plan.placement.preset, plan.placement.nodes) == ("h100-80-8", 2)
    assert plan.placement.hourly_price == 72


def test_the_capacity_counts_replicas_not_nodes() -> None:
    plan = large([H100], replicas=3)
    assert plan.placement.capacity == 2
    assert any("6 pods of 'h100-80-8' are more than its capacity of 5" in w for w in plan.warnings)


def test_a_pool_of_fewer_nodes_than_a_replica_takes_is_left_for_a_dearer_one() -> None:
    few, many = preset("h100-80", 8, price=36, capacity=1), preset("a100-80", 8, price=40)
    choice = chosen(LARGE, [few, many], max_nodes=2)
    assert choice.chosen.preset.name == "a100-80-8"
    refused = next(found for found in choice.candidates if found.preset.name == "h100-80-8")
    assert refused.refusal == "holds no replica, by its capacity of 1; a replica takes 2 nodes"
    assert chosen(LARGE, [few, many], max_nodes=2, force=True).chosen.preset.name == "h100-80-8"


def test_the_leader_serves_and_the_workers_join_it() -> None:
    server = large([H100]).server
    assert value(server.args, "--tensor-parallel-size") == "8"
    assert value(server.args, "--pipeline-parallel-size") == value(server.args, "--nnodes") == "2"
    assert value(server.args, "--node-rank") == "0"
    assert value(server.worker_args, "--node-rank") == "$(LWS_WORKER_INDEX)"
    assert {*server.worker_args} - {*server.args} == {"$(LWS_WORKER_INDEX)", "--headless"}


def test_a_plan_on_one_node_has_none_of_it() -> None:
    server = planned([preset("h100-80")], multiNode={"maxNodes": 2}).server
    assert not {*NEEDED_FLAGS, "--pipeline-parallel-size"} & {*server.args}
    assert server.worker_args == ()


def test_the_preview_says_how_many_nodes_and_why() -> None:
    text = " ".join(" ".join(preview_lines(large([H100]))).split())
    assert "on h100-80-8: 2 nodes of 8 x h100-80 (72 per hour)" in text
    assert "no single node fits, so 2 of one preset (multiNode.maxNodes)" in text
    assert "> h100-80-8 72 2x8" in text


def test_autoscaling_is_refused_with_its_reason() -> None:
    text = refusal(
        autoscaling={"enabled": True}, ingress={"enabled": True, "host": "vllm.example.com"}
    )
    assert text.startswith("autoscaling.enabled: is true for a model over 2 nodes")


def test_a_volume_of_one_node_is_refused() -> None:
    assert refusal(cache={}).startswith("cache.accessMode: ReadWriteOnce cannot serve 2 nodes")


@pytest.mark.parametrize(("mode", "refused"), [("ReadWriteOnce", True), ("ReadWriteMany", False)])
def test_an_existing_claim_must_reach_every_node(mode: str, refused: bool) -> None:
    plan = large([H100], cache={"storage": "existingClaim", "claimName": "models"})
    held = HeldClaim(
        name="models",
        size="2Ti",
        size_bytes=2 * 2**40,
        storage_class=None,
        access_modes=(mode,),
        stack=None,
        retain=True,
    )
    said = [str(mistake) for mistake in claim_mistakes(plan, held)]
    assert ["ReadWriteOnce, and 2 pods would mount it" in text for text in said] == [True] * refused


@pytest.mark.parametrize(
    "flag", ["--nnodes", "--node-rank", "--master-addr", "--pipeline-parallel-size"]
)
def test_the_flags_of_several_nodes_belong_to_the_plan(flag: str) -> None:
    text = refusal(serverExtraArgs=[flag, "2"])
    assert f"`{flag}` sets {flag}; only the plan sets it" in text


def test_kinds_of_models_without_pipeline_parallel_are_refused() -> None:
    overrides, gpu = Overrides(max_nodes=2), GPUS["h100-80"]
    for name in ("codestral-mamba", "e5-mistral-7b-instruct"):
        text = stage_refusal(find_model(name), gpu, overrides, 2)
        assert text == "is planned over several nodes for generating models with attention only"
    assert stage_refusal(find_model(LARGE), gpu, overrides, 2) is None


def test_the_fullest_stage_has_the_most_layers_and_all_that_is_outside_of_layers() -> None:
    model = find_model("deepseek-v3")
    stage = largest_stage(model, 2)
    assert (model.architecture.layers, stage.architecture.layers) == (61, 31)
    assert sum(group.layers for group in stage.architecture.attention) == 31
    embeddings = 2 * model.architecture.vocabulary * model.architecture.hidden
    assert stage.parameters - embeddings > (model.parameters - embeddings) / 2


def test_single_pods_that_keep_the_gpus_of_a_group_are_warned_of() -> None:
    group, single = large([preset("h100-80", 8)]), planned([preset("h100-80")])
    (warning,) = switch_warnings(group, 1)
    assert "the Deployment 'vllm' keeps its GPUs until 2 other nodes serve" in warning
    assert [list(switch_warnings(group, running)) for running in (0, None)] == [[], []]
    assert list(switch_warnings(single, 1)) == []
