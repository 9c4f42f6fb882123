from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import superneurons.amplify.sweep as module
from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.neurons import all_differences
from superneurons.amplify.readings import read_targets
from superneurons.amplify.sweep import Grid, TaskSweep, neurons_of, sweep
from superneurons.errors import DataError, MismatchError, ModelError
from tiny_models import LAYERS
from tiny_sweeps import GRID, tiny_task

KINDS = ("found", "shuffled", "loud", "random 1")


def same(one: TaskSweep, other: TaskSweep) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in ((one.base, other.base), (one.found, other.found))
        for name in ("log_odds", "rank", "confidence")
    )


def test_every_setting_is_what_the_whole_model_gives(model: LanguageModel) -> None:
    task = tiny_task()
    (found,) = sweep(model, [task], GRID)
    tokens, neurons = task.tokens(model), neurons_of(model, task, GRID)
    plain = read_targets(model.last_logits(task.prompts), tokens)
    np.testing.assert_allclose(found.base.log_odds, plain.log_odds, atol=1e-3)
    assert found.found.log_odds.shape == (2, 4, 2, 2, len(task))
    for place, layer in enumerate(GRID.layers):
        for which, kind in enumerate(KINDS):
            how = neurons[kind][layer].amplification(-4.0, 6)
            with amplified(model, how):
                wanted = read_targets(model.last_logits(task.prompts), tokens)
            got = found.found.log_odds[place, which, 1, 1]
            np.testing.assert_allclose(got, wanted.log_odds, atol=1e-3)
    assert not np.allclose(found.found.log_odds[:, 0], found.base.log_odds, atol=1e-3)


def test_a_multiplier_of_one_changes_nothing(llama: LanguageModel) -> None:
    (found,) = sweep(llama, [tiny_task()], replace(GRID, multipliers=(1.0,)))
    for place in range(len(GRID.layers)):
        for setting in found.found.log_odds[place].reshape(-1, len(found.task)):
            np.testing.assert_allclose(setting, found.base.log_odds, atol=1e-4)


def test_neurons_are_found_on_the_choosing_half_alone(llama: LanguageModel) -> None:
    task = tiny_task()
    choosing, reporting = task.halves()
    some = task.some(choosing)
    scores = all_differences(llama, some.prompts, some.controls)
    found = neurons_of(llama, task, GRID)
    assert tuple(found) == KINDS
    for layer in GRID.layers:
        wanted = np.argsort(-scores[layer - 1], kind="stable")[: max(GRID.counts)]
        np.testing.assert_array_equal(found["found"][layer].columns, wanted)
    # Other prompts on the reporting half find the same.
    other = list(task.prompts)
    for row in reporting:
        other[row] = f"zz{row}"
    changed = replace(task, prompts=tuple(other))
    if set(changed.halves()[0]) == set(choosing):
        again = neurons_of(llama, changed, GRID)
        np.testing.assert_array_equal(again["found"][1].columns, found["found"][1].columns)


def test_controls_are_other_neurons_and_as_many(llama: LanguageModel) -> None:
    found = neurons_of(llama, tiny_task(), GRID)
    for layer in GRID.layers:
        sets = [frozenset(found[kind][layer].columns.tolist()) for kind in KINDS]
        assert {len(columns) for columns in sets} == {max(GRID.counts)}
        assert len(set(sets)) == len(sets)


def test_more_layers_draw_the_same_neurons_at_each(llama: LanguageModel) -> None:
    few, many = (neurons_of(llama, tiny_task(), replace(GRID, layers=n)) for n in ((3,), (1, 2, 3)))
    for kind in KINDS:
        np.testing.assert_array_equal(few[kind][3].columns, many[kind][3].columns)


def test_another_seed_draws_other_neurons(llama: LanguageModel) -> None:
    one, other = (neurons_of(llama, tiny_task(), replace(GRID, seed=seed)) for seed in (0, 1))
    assert one["random 1"][3].columns.tolist() != other["random 1"][3].columns.tolist()


def test_what_is_finished_is_not_run_again(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, told = [tiny_task("one"), tiny_task("two")], []
    whole = sweep(llama, tasks, GRID)

    def stops(done: int, total: int) -> None:
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(llama, tasks, GRID, tmp_path, progress=stops)
    assert told == [(1, 4), (2, 4), (3, 4)]
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert sorted(before) == ["one-001.safetensors", "one-003.safetensors", "two-001.safetensors"]
    for one, other in zip(sweep(llama, tasks, GRID, tmp_path), whole, strict=True):
        assert same(one, other)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before
    # All is there now: the model need not run.
    monkeypatch.setattr(module, "prefixes_of", None)
    assert same(sweep(llama, tasks, GRID, tmp_path)[1], whole[1])


def test_layers_and_tasks_may_be_added(llama: LanguageModel, tmp_path: Path) -> None:
    sweep(llama, [tiny_task("one")], replace(GRID, layers=(3,)), tmp_path)
    more = sweep(llama, [tiny_task("two"), tiny_task("one")], GRID, tmp_path)
    assert same(more[1], sweep(llama, [tiny_task("one")], GRID)[0])


def test_a_damaged_part_is_made_again(llama: LanguageModel, tmp_path: Path) -> None:
    (whole,) = sweep(llama, [tiny_task()], GRID, tmp_path)
    path = tmp_path / "letters-003.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert same(sweep(llama, [tiny_task()], GRID, tmp_path)[0], whole)


def test_results_of_something_else_are_refused(
    llama: LanguageModel, opened: dict[str, LanguageModel], tmp_path: Path
) -> None:
    task = tiny_task()
    sweep(llama, [task], GRID, tmp_path)
    others = [
        (opened["gpt2"], task, GRID),
        (llama, replace(task, targets=task.targets[::-1]), GRID),
        (llama, replace(task, controls=("aa",)), GRID),
        (llama, task, replace(GRID, multipliers=(2.0,))),
        (llama, task, replace(GRID, seed=1)),
        (llama, task, replace(GRID, scoring="magnitude")),
    ]
    for model, another, grid in others:
        with pytest.raises(MismatchError, match="another model, other prompts or another grid"):
            sweep(model, [another], grid, tmp_path)


def test_all_that_a_model_has_not_is_listed(llama: LanguageModel) -> None:
    grid = Grid((0, LAYERS + 1), (0, 1000), (float("nan"),))
    with pytest.raises(DataError) as caught:
        sweep(llama, [tiny_task()], grid)
    assert [problem.where for problem in caught.value.problems] == [
        "layers", "layers", "counts", "counts", "multipliers",
    ]  # fmt: skip
    with pytest.raises(DataError, match="same twice"):
        sweep(llama, [tiny_task()], Grid((), (1, 1)))


def test_tasks_need_different_names(llama: LanguageModel) -> None:
    with pytest.raises(DataError, match="different names"):
        sweep(llama, [tiny_task(), tiny_task()], GRID)
    with pytest.raises(DataError, match="different names"):
        sweep(llama, [], GRID)


def test_a_multiplier_that_breaks_the_model_names_the_layer(llama: LanguageModel) -> None:
    with pytest.raises(ModelError, match="layer 3"):
        sweep(llama, [tiny_task()], replace(GRID, layers=(3,), multipliers=(3e38,)))


def test_the_model_is_as_it_was_afterwards(llama: LanguageModel) -> None:
    before = llama.last_logits(["abc"])
    sweep(llama, [tiny_task()], GRID)
    assert np.array_equal(llama.last_logits(["abc"]), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in llama.layers)
    with amplified(llama, Amplification(1, [0], 2.0)):
        pass
