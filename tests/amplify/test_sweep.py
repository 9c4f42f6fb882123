from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import superneurons.amplify.sweep as module
from superneurons.amplify.amplification import Amplification, amplified
from superneurons.amplify.language import LanguageModel
from superneurons.amplify.neurons import Scoring, all_differences, mlp_activations
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


def test_kinds_are_the_neurons_found_and_as_many_draws_as_asked() -> None:
    assert Grid((1,)).kinds == ("found", "shuffled", "loud", "random 1", "random 2")
    assert Grid((1,), draws=0).kinds == ("found", "shuffled", "loud")
    plain = Grid((1,))
    assert (plain.counts, plain.multipliers) == ((20, 100), (1.5, 2.0, 4.0))
    assert (plain.draws, plain.scoring, plain.seed) == (2, "difference", 0)


def test_loud_neurons_are_those_of_the_largest_mean_magnitude(llama: LanguageModel) -> None:
    task = tiny_task()
    some = task.some(task.halves(0)[0])
    both = mlp_activations(llama, [*some.prompts, *some.controls]).astype(np.float64)
    found = neurons_of(llama, task, GRID)["loud"]
    for layer in GRID.layers:
        size = np.zeros(both.shape[2])
        for prompt in both:
            size += abs(prompt[layer - 1])
        wanted = np.argsort(-size, kind="stable")[: max(GRID.counts)]
        assert found[layer].columns.tolist() == wanted.tolist()
        np.testing.assert_allclose(found[layer].scores, size[wanted] / len(both), rtol=1e-4)


def test_shuffled_neurons_part_the_same_prompts_in_another_way(llama: LanguageModel) -> None:
    """Their scores are differences of two groups of as many of these prompts."""
    task = tiny_task()
    some = task.some(task.halves(0)[0])
    both = mlp_activations(llama, [*some.prompts, *some.controls]).astype(np.float64)[:, 0]
    size = len(some.prompts)
    found = neurons_of(llama, task, GRID)["shuffled"][1]
    possible = []
    for part in combinations(range(len(both)), size):
        rest = [row for row in range(len(both)) if row not in part]
        possible.append(both[list(part)].mean(axis=0) - both[rest].mean(axis=0))
    fitting = [np.allclose(p[found.columns], found.scores, atol=1e-5) for p in possible]
    assert sum(fitting) == 1
    assert not fitting[0]  # not the task's own prompts against its controls


def test_names_and_seeds_draw_and_the_rest_does_not(llama: LanguageModel) -> None:
    task, grid = tiny_task("one"), replace(GRID, draws=2)
    first = neurons_of(llama, task, grid)
    again = neurons_of(llama, task, grid)
    renamed = neurons_of(llama, replace(task, name="other"), grid)
    for kind in grid.kinds:
        assert first[kind][3].columns.tolist() == again[kind][3].columns.tolist()
        own = (first[kind][3].task, first[kind][3].found, first[kind][3].model)
        assert own == ("one", kind, llama.fingerprint)
    for kind in ("random 1", "random 2"):
        assert first[kind][3].columns.tolist() != renamed[kind][3].columns.tolist()
    assert first["random 1"][3].columns.tolist() != first["random 2"][3].columns.tolist()
    assert first["found"][3].columns.tolist() == renamed["found"][3].columns.tolist()


def test_the_scoring_of_the_grid_is_the_one_used(llama: LanguageModel) -> None:
    task = tiny_task()
    some = task.some(task.halves(0)[0])
    for scoring in get_args(Scoring):
        found = neurons_of(llama, task, replace(GRID, scoring=scoring))["found"][3]
        scores = all_differences(llama, some.prompts, some.controls, scoring=scoring)[2]
        np.testing.assert_allclose(found.scores, np.sort(scores)[::-1][:6], rtol=1e-6)


def test_tasks_come_back_in_order_with_their_halves_and_progress(llama: LanguageModel) -> None:
    tasks, told = [tiny_task("two", n=6), tiny_task("one", n=9)], []
    grid = Grid((3, 1, 4), counts=(2,), multipliers=(2.0,), draws=0, seed=5)
    found = sweep(llama, tasks, grid, progress=lambda *done: told.append(done))
    assert told == [(n, 6) for n in range(1, 7)]
    for task, one in zip(tasks, found, strict=True):
        assert (one.task, one.grid) == (task, grid)
        assert one.base.rank.shape == (len(task),)
        assert one.found.rank.shape == (3, 3, 1, 1, len(task))
        for got, wanted in zip((one.choosing, one.reporting), task.halves(5), strict=True):
            assert got.tolist() == wanted.tolist()
    # Layers in the order that was asked for.
    (alone,) = sweep(llama, tasks[:1], replace(grid, layers=(1,)))
    np.testing.assert_allclose(
        found[0].found.log_odds[1], alone.found.log_odds[0], atol=1e-4, rtol=1e-4
    )


def test_a_part_of_other_tensors_or_without_a_digest_is_not_taken(
    llama: LanguageModel, tmp_path: Path
) -> None:
    grid = replace(GRID, layers=(1,))
    (whole,) = sweep(llama, [tiny_task()], grid, tmp_path)
    path = tmp_path / "letters-001.safetensors"
    tensors = load_file(path)
    with safe_open(path, framework="np") as file:
        kept = file.metadata()
    assert sorted(tensors) == ["confidence", "log_odds", "rank"]
    # The base first, then kinds, counts and multipliers.
    assert tensors["log_odds"].shape == (1 + 4 * 2 * 2, 8)
    np.testing.assert_array_equal(tensors["log_odds"][0], whole.base.log_odds)
    np.testing.assert_array_equal(tensors["rank"][1:].reshape(4, 2, 2, 8), whole.found.rank[0])
    save_file({"log_odds": tensors["log_odds"]}, path, metadata=kept)
    assert same(sweep(llama, [tiny_task()], grid, tmp_path)[0], whole)
    save_file(tensors, path)
    with pytest.raises(MismatchError) as caught:
        sweep(llama, [tiny_task()], grid, tmp_path)
    assert caught.value.where == str(path)


def test_what_a_model_has_not_is_refused_before_anything_runs(
    llama: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "prefixes_of", None)
    Grid((1, LAYERS), (1, llama.width), (-1.0, 0.0)).check(llama)
    for grid, said in (
        (replace(GRID, layers=(1, 1)), "layers: none, or the same twice"),
        (replace(GRID, counts=()), "counts: none, or the same twice"),
        (replace(GRID, multipliers=(2.0, 2.0)), "multipliers: none, or the same twice"),
        (replace(GRID, counts=(65,)), "counts: 65 is none of 1 to 64"),
        (replace(GRID, layers=(5,)), "layers: 5 is none of 1 to 4"),
        (replace(GRID, multipliers=(float("inf"),)), "multipliers: inf is no finite number"),
    ):
        with pytest.raises(DataError) as caught:
            sweep(llama, [tiny_task()], grid)
        assert [str(problem) for problem in caught.value.problems] == [said]
    with pytest.raises(DataError, match="not a single token"):
        sweep(llama, [replace(tiny_task(), targets=("two",) * 8)], GRID)
