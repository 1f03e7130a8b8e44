from pathlib import Path
from typing import Any

import pytest
import yaml

from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.systems.extensions import members as extensions_members

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))


def settings(scale: str) -> dict[str, Any]:
    return parameters.resolve(CONFIG, scale)


def test_paper_beats_mtl_aqas_own_member_and_demo_one_trained_alike() -> None:
    paper, demo = settings("paper"), settings("demo")
    assert extensions_members.reference_member(paper) == "c3d_avg/score/1059"
    assert extensions_members.reference_member(demo) == "c3d_avg/1059"
    names = [system.name for system in extensions_members.systems(paper)]
    assert [system.name for system in extensions_members.systems(demo)] == ["c3d_avg", *names]
    assert extensions_members.training_settings(paper, "usdl") == paper["multitask"]
    assert extensions_members.training_sets(paper) == ["1059", "1059_validated"]
    assert extensions_members.training_sets(demo) == ["1059"]


def test_every_backbone_aggregation_and_head_is_trained_at_paper() -> None:
    listed = extensions_members.systems(settings("paper"))
    assert {system.backbone for system in listed} == {"c3d", "r3d_18", "mc3_18", "r2plus1d_18"}
    assert {system.aggregation for system in listed} == {
        "mean",
        "fully_connected",
        "attention",
        "lstm",
        "transformer",
    }
    assert {system.head for system in listed} == set(extensions_members.HEADS)


def test_a_system_is_added_by_parameters_alone() -> None:
    wanted = settings("demo")
    added = {"name": "both", "row": "R3D-18, CoRe", "backbone": "r3d_18", "aggregation": "lstm", "head": "core"}
    wanted["extensions"]["systems"].append(added)
    assert extensions_members.systems(wanted)[-1].settings == {k: v for k, v in added.items() if k != "row"}
    epochs = wanted["multitask"]["epochs"], wanted["extensions"]["training"]["epochs"]
    share = wanted["extensions"]["contrastive"]["epochs_share"]
    assert extensions_members.training_settings(wanted, "core")["epochs"] == round(epochs[1] * share)
    assert extensions_members.training_settings(wanted, "usdl")["epochs"] == epochs[1] != epochs[0]


def test_two_systems_of_one_name_are_refused() -> None:
    wanted = settings("paper")
    wanted["extensions"]["systems"] += [
        wanted["extensions"]["systems"][0],
        {**wanted["extensions"]["systems"][1], "name": "c3d_avg"},
    ]
    with pytest.raises(RescoreError) as caught:
        extensions_members.systems(wanted)
    assert "name 'fully_connected' stands 2 times" in str(caught.value)
    assert "name 'c3d_avg' stands 2 times" in str(caught.value)
