from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pictures import bright_records, choices, coloured, shades
from superneurons.activations.capture import Captured, capture
from superneurons.activations.site import Position, Site
from superneurons.errors import DataError, MismatchError, ModelError
from superneurons.probes.registry import READ_OUTS
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.form import Multiclass
from superneurons.shortcut.probing import ProbingSet, probing_set
from superneurons.task.record import Record
from superneurons.vlm.model import VLM
from superneurons.vlm.taps import KINDS

Maker = Callable[..., list[Record]]


@pytest.fixture(scope="module")
def fitted(vlm: VLM) -> SuperNeuronClassifier:
    return SuperNeuronClassifier(vlm).fit(bright_records(40))


def test_it_learns_an_easy_question(fitted: SuperNeuronClassifier) -> None:
    assert fitted.score(bright_records(20, seed=1)) >= 0.9
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert 1 <= fitted.exit_layer_ <= 4
    assert fitted.exit_layer_ == max(neuron.layer for neuron in fitted.neurons_)


def test_what_it_was_fitted_on_can_be_seen_once_it_is_fitted(llava: VLM) -> None:
    seen: list[Any] = []
    classifier = SuperNeuronClassifier(llava, balanced=False)

    def witness(probing: ProbingSet, captured: Captured) -> None:
        seen.append((probing, captured, classifier.exit_layer_))

    records = bright_records(20)
    assert classifier.fit(records, witness=witness) is classifier
    ((probing, captured, _),) = seen
    assert probing.records == tuple(records)
    assert captured.activations.shape == (20, *llava.shape("residual"))
    again = clone(classifier).fit_captured(probing, captured)
    assert again.neurons_ == classifier.neurons_
    kept = classifier.depth_answers_
    assert kept is not None
    assert kept.given.shape == (llava.n_layers, 20)
    paper = clone(classifier).set_params(read_out="paper").fit_captured(probing, captured)
    assert paper.depth_answers_ is None


def test_probabilities_agree_with_the_labels(fitted: SuperNeuronClassifier) -> None:
    records = bright_records(10, seed=2)
    shares = fitted.predict_proba(records)
    assert shares.shape == (10, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[shares.argmax(axis=1)], fitted.predict(records))


def test_answers_come_in_order_with_all_that_belongs_to_them(
    fitted: SuperNeuronClassifier,
) -> None:
    records = bright_records(5, seed=2)
    answers = list(fitted.answers(records))
    assert [answer.id for answer in answers] == [record.id for record in records]
    for answer in answers:
        assert answer.confidence == max(answer.probabilities.values())
        assert answer.exit_layer == fitted.exit_layer_
        assert answer.latency_ms > 0


@pytest.mark.parametrize("size", [1, 3, 16])
def test_labels_do_not_depend_on_the_batch_size(fitted: SuperNeuronClassifier, size: int) -> None:
    records = bright_records(16, seed=4)
    expected = fitted.predict(records)
    other = clone(fitted).set_params(batch_size=size).fit(bright_records(40))
    np.testing.assert_array_equal(other.predict(records), expected)


def test_no_layer_after_the_exit_runs(vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = SuperNeuronClassifier(vlm, max_layer=2).fit(bright_records(20))
    assert classifier.exit_layer_ <= 2

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a later layer ran")

    for layer in vlm.layers[2:]:
        monkeypatch.setattr(layer, "forward", fail)
    monkeypatch.setattr(vlm.model.get_output_embeddings(), "forward", fail)
    assert len(classifier.predict(bright_records(3))) == 3
    SuperNeuronClassifier(vlm, max_layer=2).fit(bright_records(20))  # nor while fitting


def test_answering_from_stored_activations_is_the_same(
    vlm: VLM, fitted: SuperNeuronClassifier
) -> None:
    records = bright_records(12, seed=5)
    answers = fitted.answer_captured(records, capture(vlm, records))
    assert [answer.label for answer in answers] == fitted.predict(records).tolist()


@pytest.mark.parametrize("multiclass", ["native", "unrolled"])
@pytest.mark.parametrize("options", [False, True])
def test_more_than_two_answers(vlm: VLM, options: bool, multiclass: Multiclass) -> None:
    make = choices if options else shades
    classifier = SuperNeuronClassifier(vlm, multiclass=multiclass).fit(make(24))
    records = make(6, seed=1)
    for record, answer in zip(records, classifier.answers(records), strict=True):
        assert set(answer.probabilities) == set(record.options or classifier.classes_)
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.label in answer.probabilities
    if options:
        with pytest.raises(DataError, match="options differ"):
            classifier.predict_proba(records)
    else:
        assert classifier.predict_proba(records).shape == (6, 3)


@pytest.mark.parametrize("read_out", sorted(READ_OUTS.keys() - {"logits", "calibrated-logits"}))
@pytest.mark.parametrize("make", [bright_records, shades])
def test_any_read_out_can_be_taken_by_name(vlm: VLM, read_out: str, make: Maker) -> None:
    fitted = SuperNeuronClassifier(vlm, read_out=read_out).fit(make(30))
    # neurons of a random model with the threshold 0 can't tell a middle from its two ends
    least = 0.5 if (read_out, make) == ("paper", shades) else 0.9
    assert fitted.score(make(12, seed=1)) >= least


def test_the_question_is_asked_once_where_the_read_out_knows_many(
    llava: VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, asked = shades(9, seed=1), []
    encode = VLM.encode

    def counting(self: VLM, given: Sequence[Record], *args: Any, **options: Any) -> Any:
        asked.extend(given)
        return encode(self, given, *args, **options)

    runs = {}
    for read_out, multiclass in [("super-neurons", "auto"), ("super-neurons", "unrolled"),
                                 ("paper", "auto")]:  # fmt: skip
        classifier = SuperNeuronClassifier(llava, read_out=read_out, multiclass=multiclass)
        classifier.fit(shades(24))
        with monkeypatch.context() as patch:
            patch.setattr(VLM, "encode", counting)
            asked.clear()
            classifier.predict(records)
        runs[read_out, multiclass] = [record.question for record in asked]
    assert runs["super-neurons", "auto"] == ["How bright is it?"] * 9
    assert runs["paper", "auto"] == runs["super-neurons", "unrolled"]
    assert len(runs["paper", "auto"]) == 27
    assert "Is it pale? Answer yes or no." in runs["paper", "auto"][2]


def test_natively_three_shades_are_told_apart(vlm: VLM) -> None:
    fitted = SuperNeuronClassifier(vlm).fit(shades(45))
    assert fitted.form_ == "direct"
    assert fitted.classes_.tolist() == ["dark", "grey", "pale"]
    records = shades(18, seed=1)
    assert fitted.score(records) >= 0.9
    found = fitted.predict_proba(records)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert fitted.classes_[found.argmax(axis=1)].tolist() == fitted.predict(records).tolist()


def test_options_of_a_record_bound_its_answer(vlm: VLM) -> None:
    fitted = SuperNeuronClassifier(vlm).fit(shades(30))
    full = fitted.predict_proba(shades(9, seed=1))
    bound = [replace(r, options=("pale", "dark"), label=None) for r in shades(9, seed=1)]
    found = fitted.predict_proba(bound)
    assert set(fitted.predict(bound)) <= {"dark", "pale"}
    assert found[:, 1].tolist() == [0.0] * 9
    np.testing.assert_allclose(found[:, 0], full[:, 0] / (full[:, 0] + full[:, 2]), atol=1e-9)


def test_options_of_their_own_are_asked_by_letter(vlm: VLM) -> None:
    fitted = SuperNeuronClassifier(vlm).fit(choices(48))
    assert fitted.form_ == "lettered"
    assert fitted.classes_.tolist() == []
    assert fitted.read_out_.classes_.tolist() == ["A", "B", "C"]
    records = choices(12, seed=1)
    asked = fitted.asked(records)
    assert [len(r.options or ()) for r in asked] == [2, 3] * 6
    for record, answer in zip(records, fitted.answers(records), strict=True):
        assert list(answer.probabilities) == list(record.options or ())
        assert answer.label == max(answer.probabilities, key=lambda o: answer.probabilities[o])
        assert sum(answer.probabilities.values()) == pytest.approx(1)
    bare = [replace(r, label=None) for r in records]
    assert fitted.predict(bare).tolist() == fitted.predict(records).tolist()


def test_letters_need_options_to_answer_too(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, max_layer=1).fit(choices(36))
    with pytest.raises(DataError, match=r"shade:0: 0 options[\s\S]*shade:1: 0 options"):
        fitted.predict(shades(2))


@pytest.mark.parametrize("make", [shades, choices])
def test_two_classes_are_not_made_to_hold_three(
    llava: VLM, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "encode", lambda *_, **__: pytest.fail("the model ran"))
    classifier = SuperNeuronClassifier(llava, read_out="paper", multiclass="native")
    with pytest.raises(DataError, match="tells two classes apart, not 3") as caught:
        classifier.fit(make(36))
    assert "unrolled" in str(caught.value.mend)


def test_two_labels_are_asked_directly_whatever_is_said(llava: VLM) -> None:
    for read_out, multiclass in [("paper", "native"), ("super-neurons", "unrolled")]:
        classifier = SuperNeuronClassifier(llava, read_out=read_out, multiclass=multiclass)
        assert classifier.fit(bright_records(16)).form_ == "direct"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"read_out": "logits"}, "superneurons compare"),
        ({"read_out": "calibrated-logits"}, "superneurons compare"),
        ({"read_out": "papyrus"}, "Did you mean 'paper'"),
        ({"read_out": "super-neurons", "read_out_params": {"metric": "f1"}}, "metric"),
        ({"multiclass": "both"}, "auto, native, unrolled"),
    ],
)
def test_bad_parameters_are_refused_before_the_model_runs(
    llava: VLM, params: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VLM, "encode", lambda *_, **__: pytest.fail("the model ran"))
    with pytest.raises(DataError, match=message) as caught:
        SuperNeuronClassifier(llava, **params).fit(bright_records(8))
    assert caught.value.mend


def one_picture(records: list[Record]) -> list[Record]:
    """The same picture for all that are bright."""
    images = records[1].images
    return [replace(r, images=images) if r.label == "yes" else r for r in records]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no records"),
        ([r for r in bright_records(8) if r.label == "no"], "have the label 'no'"),
        (one_picture(bright_records(8)), "label 'yes': 4 records, all in one group"),
        ([replace(bright_records(1)[0], label=None), *bright_records(6)[1:]], "bright:0: no label"),
        ([replace(r, options=("no", "maybe")) for r in bright_records(4)], "'yes' is not one of"),
    ],
)
@pytest.mark.parametrize("multiclass", ["native", "unrolled"])
def test_what_cannot_be_learnt_is_said_before_the_model_runs(
    llava: VLM,
    records: list[Record],
    message: str,
    multiclass: Multiclass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VLM, "encode", lambda *_, **__: pytest.fail("the model ran"))
    with pytest.raises(DataError, match=message) as caught:
        SuperNeuronClassifier(llava, multiclass=multiclass).fit(records)
    assert caught.value.mend


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_finite_number_is_said_with_record_and_layer(llava: VLM, value: float) -> None:
    records = bright_records(16)
    probing = probing_set(records, balanced=True, seed=0)
    captured = capture(llava, probing.records)
    fitted = SuperNeuronClassifier(llava).fit_captured(probing, captured)
    layer = fitted.neurons_[0].layer
    captured.activations[3, layer - 1] = value
    captured.activations[5, layer - 1, fitted.neurons_[0].index] = value
    name = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(DataError) as caught:
        clone(fitted).fit_captured(probing, captured)
    assert [(p.where, p.what) for p in caught.value.problems] == [
        ("bright:3", f"{name} in layer {layer} (32 neurons)"),
        ("bright:5", f"{name} in layer {layer} (1 neurons)"),
    ]
    with pytest.raises(DataError, match=f"bright:3: {name} in layer {layer}"):
        fitted.answer_captured(records, captured)


def test_activations_of_something_else_are_refused(llava: VLM) -> None:
    records = bright_records(16)
    probing = probing_set(records, balanced=True, seed=0)
    captured = capture(llava, probing.records)
    fitted = SuperNeuronClassifier(llava, max_layer=3).fit_captured(probing, captured)
    rows = np.arange(4)
    with pytest.raises(MismatchError, match="records: 4, should be 16"):
        fitted.answer_captured(records, captured.rows(rows))
    with pytest.raises(MismatchError, match="records: 4, should be 16"):
        clone(fitted).fit_captured(probing, captured.rows(rows))
    narrow = replace(captured, states={k: v[:, :1, :8] for k, v in captured.states.items()})
    with pytest.raises(MismatchError, match=r"layers: 1, should be 3 or more\s+width: 8"):
        clone(fitted).fit_captured(probing, narrow)
    with pytest.raises(MismatchError, match="width: 8, should be 32"):
        fitted.answer_captured(records, narrow)


SITES = [Site(kind) for kind in KINDS] + [
    Site(kind, "first_generated") for kind in ("residual", "mlp", "heads")
]


@pytest.mark.parametrize("site", SITES, ids=str)
def test_any_site_can_be_read(vlm: VLM, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = SuperNeuronClassifier(vlm, site=site.kind, position=site.position)
    classifier.fit(bright_records(30))
    assert classifier.site_ == site
    assert classifier.probing_["neurons_searched"] == np.prod(vlm.shape(site.kind))
    records = bright_records(12, seed=1)
    # what a random model would say next shows little of a picture
    assert classifier.score(records) >= (0.9 if site.position == "last_prompt" else 0.5)
    deepest = max(neuron.layer for neuron in classifier.neurons_)
    if site.sees_only_pictures:
        assert classifier.exit_layer_ == 0
    elif site.position == "last_prompt":
        assert classifier.exit_layer_ == deepest
    else:
        assert classifier.exit_layer_ == 4
    for layer in vlm.layers[classifier.exit_layer_ :]:
        monkeypatch.setattr(layer, "forward", lambda *_, **__: pytest.fail("a later layer ran"))
    answers = classifier.predict(records)
    monkeypatch.undo()
    whole = capture(vlm, records, sites=SITES)
    assert [a.label for a in classifier.answer_captured(records, whole)] == answers.tolist()


@pytest.mark.parametrize("kind", ["vision", "projector"])
def test_pictures_alone_need_no_decoder_layer_to_fit_either(
    vlm: VLM, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for layer in vlm.layers:
        monkeypatch.setattr(layer, "forward", lambda *_, **__: pytest.fail("a layer ran"))
    fitted = SuperNeuronClassifier(vlm, site=kind).fit(shades(30))
    assert fitted.score(shades(12, seed=1)) >= 0.9
    renamed = [replace(r, question="What else?") for r in shades(6, seed=1)]
    np.testing.assert_allclose(
        fitted.predict_proba(renamed), fitted.predict_proba(shades(6, seed=1))
    )


@pytest.mark.parametrize(
    ("make", "read_out", "multiclass"),
    [(choices, "super-neurons", "auto"), (shades, "super-neurons", "unrolled"),
     (shades, "paper", "auto")],
)  # fmt: skip
def test_options_are_not_looked_for_in_pictures(
    llava: VLM,
    make: Maker,
    read_out: str,
    multiclass: Multiclass,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VLM, "encode", lambda *_, **__: pytest.fail("the model ran"))
    classifier = SuperNeuronClassifier(
        llava, read_out=read_out, multiclass=multiclass, site="vision"
    )
    with pytest.raises(DataError, match="sees the pictures only"):
        classifier.fit(make(36))


@pytest.mark.parametrize("make", [bright_records, shades])
def test_attention_vectors_are_whole_heads_of_the_model(vlm: VLM, make: Maker) -> None:
    fitted = SuperNeuronClassifier(vlm, read_out="savs", read_out_params={"n_heads": 3})
    fitted.fit(make(30))
    assert fitted.site_ == Site("heads")
    heads = {(n.layer, n.index // vlm.head_dim) for n in fitted.neurons_}
    assert len(heads) == 3
    assert len(fitted.neurons_) == 3 * vlm.head_dim
    assert fitted.read_out_.get_params()["head_dim"] == vlm.head_dim


def test_attention_vectors_are_read_from_heads_only(llava: VLM) -> None:
    with pytest.raises(DataError, match="--site heads"):
        SuperNeuronClassifier(llava, read_out="savs", site="residual").fit(bright_records(8))


def test_its_own_site_is_picked_from_many(llava: VLM) -> None:
    records = bright_records(24)
    probing = probing_set(records, balanced=True, seed=0)
    both = capture(llava, probing.records, sites=[Site("mlp"), Site()])
    alone = SuperNeuronClassifier(llava).fit(records)
    assert clone(alone).fit_captured(probing, both).neurons_ == alone.neurons_
    with pytest.raises(DataError, match="The site heads was not captured"):
        clone(alone).set_params(site="heads").fit_captured(probing, both)


@pytest.mark.parametrize(("site", "max_layer"), [("vision", 3), ("projector", 2), ("mlp", 5)])
def test_a_site_has_layers_of_its_own(llava: VLM, site: str, max_layer: int) -> None:
    classifier = SuperNeuronClassifier(llava, site=site, max_layer=max_layer)
    with pytest.raises(ModelError, match=f"site {site} .* no layer {max_layer}"):
        classifier.fit(bright_records(8))


@pytest.mark.parametrize(
    ("site", "position"), [("vision", "last_prompt"), ("residual", "first_generated")]
)
def test_max_layer_bounds_what_is_read_wherever_the_model_stops(
    llava: VLM, site: str, position: Position
) -> None:
    classifier = SuperNeuronClassifier(llava, site=site, position=position, max_layer=1)
    classifier.fit(bright_records(24))
    assert {neuron.layer for neuron in classifier.neurons_} == {1}
    assert classifier.exit_layer_ == (0 if site == "vision" else 4)


def test_stored_activations_belong_to_a_site(llava: VLM, tmp_path: Path) -> None:
    stored = SuperNeuronClassifier(llava, site="mlp", activations=tmp_path / "a")
    stored.fit(bright_records(16))
    with pytest.raises(MismatchError, match="shapes"):
        clone(stored).set_params(site="heads").fit(bright_records(16))


def test_labels_can_be_given_apart(vlm: VLM) -> None:
    bare = [replace(record, label=None) for record in bright_records(20)]
    given = [str(record.label) for record in bright_records(20)]
    apart = SuperNeuronClassifier(vlm).fit(bare, given)
    together = SuperNeuronClassifier(vlm).fit(bright_records(20))
    assert apart.neurons_ == together.neurons_
    with pytest.raises(DataError, match="20 records, but 3 labels"):
        SuperNeuronClassifier(vlm).fit(bare, given[:3])


def test_stored_activations_give_the_same_classifier(vlm: VLM, tmp_path: Path) -> None:
    plain = SuperNeuronClassifier(vlm).fit(bright_records(20))
    stored = SuperNeuronClassifier(vlm, activations=tmp_path / "a").fit(bright_records(20))
    assert stored.neurons_ == plain.neurons_


def test_a_layer_that_is_not_there_is_refused(vlm: VLM) -> None:
    with pytest.raises(ModelError, match="layer 9"):
        SuperNeuronClassifier(vlm, max_layer=9).fit(bright_records(8))


def test_an_unfitted_one_says_so(vlm: VLM) -> None:
    with pytest.raises(NotFittedError):
        SuperNeuronClassifier(vlm).predict(bright_records(2))


def test_scikit_learn_manners(vlm: VLM) -> None:
    classifier = SuperNeuronClassifier.from_model(vlm, max_layer=2)
    assert clone(classifier).get_params()["max_layer"] == 2
    assert clone(classifier).model is vlm
    assert "max_layer=2" in repr(classifier)


def test_a_model_given_by_name_is_opened_once(
    llava_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from superneurons.shortcut import base_model as module

    opened: list[str] = []

    def counting(name: str, **options: object) -> VLM:
        from superneurons.vlm.opening import open_vlm

        opened.append(name)
        return open_vlm(name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_vlm", counting)
    classifier = SuperNeuronClassifier(str(llava_path), device="cpu").fit(bright_records(8))
    classifier.predict(bright_records(2))
    assert opened == [str(llava_path)]


def test_the_order_of_records_does_not_matter(llava: VLM) -> None:
    records = bright_records(24)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0)).tolist()
    one = SuperNeuronClassifier(llava, batch_size=1).fit(records)
    two = SuperNeuronClassifier(llava, batch_size=1).fit([records[i] for i in order])
    assert one.neurons_ == two.neurons_


def pairs(n: int, seed: int = 0) -> list[Record]:
    """Two pictures each: is the first the brighter one?"""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        levels = (190, 60) if i % 2 else (60, 190)
        pictures = tuple(
            Image.fromarray(rng.normal(level, 8, (24, 24, 3)).clip(0, 255).astype(np.uint8))
            for level in levels
        )
        label = "yes" if i % 2 else "no"
        records.append(Record(pictures, "Is the first brighter?", label, id=str(i)))
    return records


def test_several_pictures_are_asked_about_together(vlm: VLM, tmp_path: Path) -> None:
    records, others = pairs(32), pairs(16, seed=1)
    fitted = SuperNeuronClassifier(vlm).fit(records)
    # only the order of the two tells the answers apart
    assert fitted.score(others) >= 0.8
    assert fitted.probing_["groups"] == 32
    fitted.save_pretrained(tmp_path / "clf")
    loaded = SuperNeuronClassifier.from_pretrained(tmp_path / "clf", vlm)
    assert loaded.predict_proba(others).tolist() == fitted.predict_proba(others).tolist()


def test_records_with_one_and_with_two_pictures_mix(vlm: VLM) -> None:
    mixed = [r for pair in zip(pairs(16), bright_records(16), strict=True) for r in pair]
    fitted = SuperNeuronClassifier(vlm, batch_size=5).fit(mixed)
    assert fitted.question_ is None
    answers = list(fitted.answers(mixed))
    assert [answer.id for answer in answers] == [record.id for record in mixed]


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA"])
def test_answers_do_not_hang_on_the_mode_of_a_picture(
    fitted: SuperNeuronClassifier, mode: str, tmp_path: Path
) -> None:
    grey = [
        replace(r, images=(r.images[0].convert("L").convert("RGB"),))  # type: ignore[union-attr]
        for r in bright_records(8, seed=6)
    ]
    converted = []
    for number, record in enumerate(grey):
        path = tmp_path / f"{number}.tiff"
        record.images[0].convert(mode).save(path)  # type: ignore[union-attr]
        converted.append(replace(record, images=(path,)))
    assert fitted.predict(converted).tolist() == fitted.predict(grey).tolist()


def test_pictures_by_path_and_opened_are_answered_alike(
    fitted: SuperNeuronClassifier, tmp_path: Path
) -> None:
    opened = bright_records(6, seed=3)
    named = []
    for number, record in enumerate(opened):
        record.images[0].save(tmp_path / f"{number}.png")  # type: ignore[union-attr]
        named.append(replace(record, images=(tmp_path / f"{number}.png",)))
    assert fitted.predict_proba(named).tolist() == fitted.predict_proba(opened).tolist()


def test_no_records_have_no_answers(fitted: SuperNeuronClassifier) -> None:
    assert list(fitted.answers([])) == []
    assert fitted.predict([]).shape == (0,)
    assert fitted.predict_proba([]).shape == (0, 2)


def test_the_order_of_options_does_not_matter(vlm: VLM) -> None:
    fitted = SuperNeuronClassifier(vlm, multiclass="unrolled", max_layer=2)
    fitted.fit(choices(24))
    records = choices(9, seed=1)
    turned = [replace(r, options=(r.options or ())[::-1]) for r in records]
    for one, other in zip(fitted.answers(records), fitted.answers(turned), strict=True):
        assert set(one.probabilities) == set(other.probabilities)
        for option, share in one.probabilities.items():
            assert other.probabilities[option] == pytest.approx(share, abs=0.02)


def test_an_option_less_leaves_the_order_of_the_others(llava: VLM) -> None:
    fitted = SuperNeuronClassifier(llava, multiclass="unrolled").fit(coloured(24))
    records = coloured(6)
    fewer = [replace(r, options=("green", "red"), label=None) for r in records]
    for full, part in zip(fitted.answers(records), fitted.answers(fewer), strict=True):
        assert set(part.probabilities) == {"green", "red"}
        assert sum(part.probabilities.values()) == pytest.approx(1)
        gap = full.probabilities["green"] - full.probabilities["red"]
        if abs(gap) > 0.02:
            leads = part.probabilities["green"] - part.probabilities["red"]
            assert np.sign(leads) == np.sign(gap)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_unrolled_answers_do_not_depend_on_the_batch(llava: VLM, batch_size: int) -> None:
    fitted = SuperNeuronClassifier(llava, multiclass="unrolled", batch_size=8).fit(coloured(24))
    records = coloured(7)
    expected = fitted.predict_proba(records)
    fitted.set_params(batch_size=batch_size)
    np.testing.assert_allclose(fitted.predict_proba(records), expected, atol=0.02)


def test_stored_activations_belong_to_a_depth(llava: VLM, tmp_path: Path) -> None:
    records = bright_records(20)
    plain = SuperNeuronClassifier(llava, max_layer=2).fit(records)
    stored = SuperNeuronClassifier(llava, max_layer=2, activations=tmp_path / "a")
    assert stored.fit(records).neurons_ == plain.neurons_
    assert stored.fit(records).exit_layer_ <= 2
    assert stored.probing_["neurons_searched"] == 64
    with pytest.raises(MismatchError, match="shapes"):
        clone(stored).set_params(max_layer=3).fit(records)
    with pytest.raises(MismatchError, match="prompt"):
        clone(stored).set_params(prompt_order="question-first").fit(records)


def test_stored_activations_serve_any_read_out(llava: VLM, tmp_path: Path) -> None:
    records = bright_records(24)
    for read_out in ("paper", "super-neurons", "logistic"):
        stored = SuperNeuronClassifier(llava, read_out=read_out, activations=tmp_path / "a")
        plain = SuperNeuronClassifier(llava, read_out=read_out)
        assert stored.fit(records).neurons_ == plain.fit(records).neurons_


def test_fitting_again_forgets_what_was_learnt(llava: VLM) -> None:
    classifier = SuperNeuronClassifier(llava, max_layer=2)
    classifier.fit(choices(24))
    again = classifier.fit(bright_records(24))
    fresh = SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(24))
    assert again.neurons_ == fresh.neurons_
    assert again.classes_.tolist() == ["no", "yes"]
    assert again.form_ == "direct"


def test_the_base_model_answers_as_before(vlm: VLM) -> None:
    records = bright_records(4)
    before = vlm.last_states(vlm.encode(records), logits=True)
    SuperNeuronClassifier(vlm, max_layer=2).fit(bright_records(20)).predict(records)
    after = vlm.last_states(vlm.encode(records), logits=True)
    assert torch.equal(before.residual, after.residual)
    assert before.logits is not None
    assert after.logits is not None
    assert torch.equal(before.logits, after.logits)


def test_progress_is_told_to_the_end(llava: VLM) -> None:
    told: list[tuple[int, int]] = []
    SuperNeuronClassifier(llava, max_layer=1).fit(
        bright_records(20), progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (20, 20)
    assert told == sorted(told)


def test_unbalanced_records_are_all_used_when_asked(llava: VLM) -> None:
    records = [r for i, r in enumerate(bright_records(30)) if i % 2 or i < 12]
    kept, dropped = (
        SuperNeuronClassifier(llava, max_layer=1, balanced=b).fit(records) for b in (False, True)
    )
    assert kept.probing_["questions"] == len(records) == 21
    assert dropped.probing_["questions"] == 12
    assert kept.probing_["records"] == dropped.probing_["records"] == 21


@pytest.mark.parametrize("pixels", [16, 40])
def test_pictures_can_be_seen_at_another_size(vlm: VLM, pixels: int) -> None:
    records, others = bright_records(32), bright_records(12, seed=1)
    fitted = SuperNeuronClassifier(vlm, resolution=pixels, max_layer=2).fit(records)
    view = vlm.at_resolution(pixels)
    assert fitted.vlm.resolution == pixels
    assert fitted.whole() is vlm
    assert fitted.score(others) >= 0.75
    probing = probing_set(records, balanced=True, seed=0)
    captured = capture(view, probing.records, sites=[fitted.site_])
    there = SuperNeuronClassifier(view, max_layer=2).fit_captured(probing, captured)
    assert there.neurons_ == fitted.neurons_
    np.testing.assert_allclose(
        there.predict_proba(others), fitted.predict_proba(others), rtol=1e-3, atol=1e-3
    )
    assert fitted.vlm is fitted.vlm  # made once
    assert clone(fitted).get_params()["resolution"] == pixels


def test_a_size_that_cannot_be_seen_is_refused(llava: VLM) -> None:
    with pytest.raises(ModelError, match="cannot see pictures of 17") as caught:
        SuperNeuronClassifier(llava, resolution=17).fit(bright_records(8))
    assert "multiple of 8" in str(caught.value)


def test_another_size_is_another_store_and_another_view(llava: VLM, tmp_path: Path) -> None:
    records = bright_records(16)
    classifier = SuperNeuronClassifier(llava, activations=tmp_path, max_layer=1).fit(records)
    with pytest.raises(MismatchError, match=r"plan\.json: pictures"):
        classifier.set_params(resolution=16).fit(records)
    classifier.set_params(activations=None).fit(records)
    assert [classifier.set_params(resolution=n).vlm.resolution for n in (16, 48, None)] == [
        16, 48, 24,
    ]  # fmt: skip


@pytest.mark.parametrize("position", ["image_mean", "image_max"])
@pytest.mark.parametrize("acceleration", ["auto", "off"])
def test_the_pictures_tokens_let_it_stop_early_too(
    vlm: VLM, position: Position, acceleration: Any
) -> None:
    fitted = SuperNeuronClassifier(
        vlm, position=position, max_layer=2, acceleration=acceleration,
        prompt_order="question-first",
    ).fit(bright_records(32))  # fmt: skip
    assert fitted.site_ == Site(position=position)
    assert 1 <= fitted.exit_layer_ <= 2
    others = bright_records(12, seed=1)
    captured = capture(vlm, others, sites=[fitted.site_], prompt=fitted.prompt)
    expected = [a.label for a in fitted.answer_captured(others, captured)]
    assert fitted.predict(others).tolist() == expected
    assert fitted.score(others) >= 0.75


@pytest.mark.parametrize("acceleration", ["auto", "off"])
def test_a_site_in_the_tower_runs_no_more_of_it_than_is_read(llava: VLM, acceleration: Any) -> None:
    fitted = SuperNeuronClassifier(llava, site="vision", max_layer=1, acceleration=acceleration)
    fitted.fit(bright_records(32))
    assert fitted.truncated().shape("vision")[0] == 1
    others = bright_records(8, seed=1)
    expected = fitted.predict_proba(others)
    through = [fitted.answer(fitted.truncated(), [record])[0] for record in others]
    found = [[a.probabilities[label] for label in fitted.classes_] for a in through]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
