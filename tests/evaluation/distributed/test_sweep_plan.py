"""Plans: everything wrong in them is one line that names the file, the key and what is expected."""

import pickle
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jasco.errors import InputError
from jasco.evaluation.distributed.sweep_plan import (
    SweepPlan,
    check_distinct,
    folder_name,
    read_plan,
)
from sweep_files import write_toml

PLAN: dict[str, Any] = {
    "run_root": "runs/sweep",
    "judges": ["offline"],
    "data": ["mini"],
    "models": [{"spec": "openai/ears,base_url=http://127.0.0.1:9/v1"}],
}


def plan_of(folder: Path, **changes: Any) -> SweepPlan:
    values = {key: value for key, value in {**PLAN, **changes}.items() if value is not None}
    return read_plan(write_toml(folder / "plan.toml", values))


def problem(folder: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        plan_of(folder, **changes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder / 'plan.toml'}: ")
    return message


def test_a_plan_has_a_cell_for_each_model_and_data_set(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        data=["mini", {"data": "sets/one", "limit": 3}, {"data": "sets/one", "name": "all of it"}],
        models=["cascade", {"spec": "openai/ears", "name": "Ears", "samples": 2, "limit": 5}],
        options={"concurrency": 4, "protocol": "v1", "limit": 9, "max_cost": 2.5, "price_in": 1},
    )
    cascade, ears = (plan.model(entry) for entry in plan.models)
    assert [cell.folder for cell in cascade.cells] == [
        tmp_path / "runs" / "sweep" / "cascade" / name
        for name in ("mini", "one", folder_name("all of it"))
    ]
    assert [cell.source for cell in cascade.cells] == ["mini", *[str(tmp_path / "sets/one")] * 2]
    assert [cell.settings["limit"] for cell in cascade.cells] == [9, 3, 9]
    assert [cell.settings["limit"] for cell in ears.cells] == [5, 5, 5]
    assert ears.cells[0].settings["samples"] == 2
    assert ears.cells[0].settings["protocol"] == "v1"
    assert str(ears.cells[0].settings["limits"].cost) == "2.5"
    assert [cell.name for cell in (cascade.cells[0], ears.cells[0])] == [None, "Ears"]
    assert str(ears.cells[1]) == "Ears on one"
    assert pickle.loads(pickle.dumps(ears)) == ears


def test_a_checkpoint_fills_spec_and_name(tmp_path: Path) -> None:
    entry = {"spec": "hf/{checkpoint},dtype=bfloat16", "checkpoints": "ck/step-*"}
    plan = plan_of(tmp_path, models=[entry, {**entry, "name": "mine {step}"}])
    path = tmp_path / "ck" / "step-20"
    plain, named = (plan.model(each, path) for each in plan.models)
    assert plain.cells[0].spec == f"hf/{path},dtype=bfloat16"
    assert (plain.name, plain.folder.name, plain.cells[0].step) == ("step-20", "step-20", 20)
    assert (named.name, named.cells[0].name, named.cells[0].series) == ("mine 20",) * 2 + ("mine",)
    assert plain.cells[0].series == "ck/step-*"
    assert plan.model(plan.models[0], path, exists=False).cells[0].spec is None
    with pytest.raises(InputError, match="best"):
        plan.model(plan.models[1], tmp_path / "ck" / "best")
    with pytest.raises(InputError, match="different name"):
        check_distinct([plain, plan.model(plan.models[0], tmp_path / "other" / "step-20")])


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"run_root": None}, ["missing key 'run_root'"]),
        ({"modles": []}, ["unknown key 'modles'", "did you mean models?"]),
        ({"models": []}, ["models", "list that is not empty"]),
        ({"judges": "offline"}, ["judges", "list"]),
        ({"judges": [1]}, ["judges, entry 1", "expected a string or a table"]),
        ({"judges": ["offlin"]}, ["offlin", "did you mean"]),
        ({"judges": ["offline", "offline"]}, ["given twice"]),
        ({"data": [{"name": "x"}]}, ["data, entry 1", "missing key 'data'"]),
        ({"data": ["a/set", "b/set"]}, ["same name 'set'"]),
        ({"data": [{"data": "mini", "samples": 2}]}, ["data, entry 1", "unknown key 'samples'"]),
        (
            {"models": [{"spec": "hf/{checkpoint}", "checkpoints": "c/*"}] * 2},
            ["models", "same name 'c/*'"],
        ),
        ({"models": ["cascade", "cascade,seed=1"]}, ["same folder", "name = ..."]),
        ({"models": [{"spec": "cascade", "name": "a\nb"}]}, ["models, entry 1", "one line"]),
        ({"models": [{"spec": "hf/{checkpoint}"}]}, ["requires the key 'checkpoints'"]),
        (
            {"models": [{"spec": "hf/m", "checkpoints": "c/*"}]},
            ["models, entry 1", "missing {checkpoint} or {step}"],
        ),
        (
            {"models": [{"spec": "hf/{chekpoint}", "checkpoints": "c/*"}]},
            ["unknown placeholder {chekpoint}", "did you mean checkpoint?"],
        ),
        ({"options": {"concurency": 1}}, ["options", "did you mean concurrency?"]),
        ({"options": {"concurrency": 0}}, ["options: concurrency", "a positive integer"]),
        ({"options": {"samples": True}}, ["options: samples", "a positive integer"]),
        ({"options": {"preflight": "no"}}, ["options: preflight", "true or false"]),
        ({"options": {"protocol": "v9"}}, ["v9"]),
        ({"options": {"instructions": "nowhere.txt"}}, ["nowhere.txt"]),
        ({"options": {"price_in": {"openai/eers": 1}}}, ["openai/eers", "did you mean"]),
        ({"settle": -1}, ["settle", "seconds"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], parts: list[str]) -> None:
    message = problem(tmp_path, **changes)
    for part in parts:
        assert part in message


def test_a_file_that_is_not_a_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_plan(path)
    for content in (b"models = [", b"\xff", b"a = " + b"[" * 5000, b"d = 2024-13-40"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(str(path))):
            read_plan(path)


def test_a_key_in_a_spec_is_not_shown(tmp_path: Path) -> None:
    secret = "sk-abcdefghijklmnop1234"
    spec = f"openai/m,api_key={secret}"
    assert secret not in problem(tmp_path, judges=[spec])
    plan = plan_of(tmp_path, models=[{"spec": f"openai/{secret}"}])
    assert secret not in str(plan.model(plan.models[0]).folder)


VALUES = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["spec", "name", "data", "limit", "checkpoints"]), inner),
    max_leaves=6,
)  # fmt: skip


@given(st.sampled_from(["run_root", "judges", "data", "models", "options", "settle", "x"]), VALUES)
def test_any_value_is_accepted_or_refused_in_one_line(key: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            plan = plan_of(Path(folder), **{key: value})
        except InputError as error:
            assert "\n" not in str(error)
            assert str(error).startswith(f"{folder}/plan.toml: ")
        else:
            for entry in plan.models:
                assert entry.checkpoints or plan.model(entry).cells


@given(st.text(max_size=100))
def test_a_folder_has_a_safe_and_distinct_name(name: str) -> None:
    folder = folder_name(name)
    assert re.fullmatch("[A-Za-z0-9_-][A-Za-z0-9._-]{0,80}", folder)
    assert folder == name or re.search("[0-9a-f]{8}$", folder)
    assert folder_name(name) == folder
    assert folder_name(f"{name}/") != folder
