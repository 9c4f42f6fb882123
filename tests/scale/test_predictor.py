from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pictures import bright_records, choices, murky
from superneurons.errors import ArtefactError, DataError
from superneurons.scale.predictor import Predictor
from superneurons.shortcut.cascade import Cascade
from superneurons.shortcut.classifier import SuperNeuronClassifier
from superneurons.shortcut.prediction import Prediction
from superneurons.task.record import Record
from superneurons.task.rows import Row
from superneurons.vlm.model import VLM


def columns(records: list[Record]) -> dict[str, Any]:
    return {
        "image": [picture(record) for record in records],
        "id": [record.id for record in records],
    }


def picture(record: Record) -> bytes:
    buffer = io.BytesIO()
    record.images[0].save(buffer, "PNG")  # type: ignore[union-attr]
    return buffer.getvalue()


@pytest.fixture(scope="module")
def saved(llava: VLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fitted") / "clf"
    SuperNeuronClassifier(llava, max_layer=2).fit(bright_records(24)).save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def predictor(saved: Path) -> Predictor:
    return Predictor(saved, batch_size=4, device="cpu")


def test_it_answers_what_the_classifier_answers(predictor: Predictor, saved: Path) -> None:
    records = bright_records(10, seed=1)
    found = predictor(columns(records))
    wanted = list(SuperNeuronClassifier.from_pretrained(saved, batch_size=4).answers(records))
    assert found["label"].tolist() == [answer.label for answer in wanted]
    assert found["confidence"].tolist() == [answer.confidence for answer in wanted]
    assert found["exit_layer"].tolist() == [answer.exit_layer for answer in wanted]
    assert found["error"].tolist() == [""] * 10
    assert found["id"] == [record.id for record in records]


def test_a_cascade_answers_too(llava: VLM, tmp_path: Path) -> None:
    cascade = Cascade(llava, layers=[1, 2], base_answer=False).fit(murky(60))
    cascade.save_pretrained(tmp_path / "cascade")
    records = murky(6, seed=1)
    found = Predictor(tmp_path / "cascade", device="cpu")(columns(records))
    assert found["label"].tolist() == cascade.predict(records).tolist()


def test_bad_rows_say_what_is_wrong_and_harm_no_other(predictor: Predictor) -> None:
    records = bright_records(6, seed=1)
    good = predictor(columns(records))
    batch = columns(records)
    batch["image"][1] = b"no picture"
    batch["image"][4] = batch["image"][4][:200]  # begins like one
    found = predictor(batch)
    assert [bool(error) for error in found["error"]] == [False, True, False, False, True, False]
    for n in (0, 2, 3, 5):
        assert found["label"][n] == good["label"][n]
        assert found["confidence"][n] == pytest.approx(good["confidence"][n])
    assert found["label"][1] == ""
    assert math.isnan(found["confidence"][4])
    assert found["exit_layer"][4] == -1


def test_columns_have_one_type_whatever_is_in_them(predictor: Predictor) -> None:
    good = predictor(columns(bright_records(2)))
    bad = predictor({"image": [b"", b"?"]})
    for name in ("label", "confidence", "exit_layer", "error"):
        assert good[name].dtype == bad[name].dtype
        assert {type(value) for value in good[name].tolist()} == {
            type(value) for value in bad[name].tolist()
        }


def test_rows_that_allow_no_known_answer_are_told_apart(llava: VLM, tmp_path: Path) -> None:
    SuperNeuronClassifier(llava, max_layer=1).fit(choices(36)).save_pretrained(tmp_path / "c")
    records = choices(4, seed=1)
    batch = columns(records) | {"options": [list(r.options or ()) for r in records]}
    batch["options"][2] = None
    found = Predictor(tmp_path / "c", question="How bright is it?", device="cpu")(batch)
    assert [bool(error) for error in found["error"]] == [False, False, True, False]
    assert "options" in found["error"][2]


def test_it_raises_everything_where_that_is_wanted(saved: Path) -> None:
    strict = Predictor(saved, on_error="raise", device="cpu")
    batch = columns(bright_records(4))
    batch["image"][0], batch["image"][3] = b"?", "gone.png"
    with pytest.raises(DataError, match="2 of 4 rows") as caught:
        strict(batch)
    assert [problem.where for problem in caught.value.problems] == ["row 0", "row 3"]


def test_columns_of_the_data_are_never_overwritten(predictor: Predictor, saved: Path) -> None:
    batch = columns(bright_records(2)) | {"label": ["no", "yes"]}
    with pytest.raises(DataError, match="label"):
        predictor(batch)
    named = Predictor(saved, prefix="answer_", device="cpu")(batch)
    assert named["label"] == ["no", "yes"]
    assert set(named) - set(batch) == {
        "answer_label", "answer_confidence", "answer_exit_layer", "answer_error",
    }  # fmt: skip


def test_settings_travel_and_weights_do_not(predictor: Predictor) -> None:
    before = predictor(columns(bright_records(2)))["label"].tolist()
    sent = pickle.dumps(predictor)
    assert len(sent) < 2_000
    assert pickle.loads(sent)(columns(bright_records(2)))["label"].tolist() == before


def test_datasets_map(predictor: Predictor, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    records = bright_records(6, seed=1)
    given = columns(records) | {"image": [record.images[0] for record in records]}
    data = datasets.Dataset.from_dict(
        given, features=datasets.Features(image=datasets.Image(), id=datasets.Value("string"))
    )
    cached = str(tmp_path / "mapped.arrow")
    mapped = data.map(predictor, batched=True, batch_size=4, cache_file_name=cached)
    assert mapped["label"][:] == predictor(columns(records))["label"].tolist()
    assert mapped["id"][:] == [record.id for record in records]
    assert mapped.features["exit_layer"].dtype == "int64"


def test_frames_as_spark_hands_them_over(predictor: Predictor) -> None:
    pandas = pytest.importorskip("pandas")
    batch = columns(bright_records(6, seed=1)) | {"question": [None] * 6}
    frame = pandas.DataFrame(batch, index=range(10, 16))
    parts = list(predictor.frames(iter([frame[:4], frame[4:], frame[:0]])))
    assert [len(part) for part in parts] == [4, 2, 0]
    found = pandas.concat(parts[:2])
    assert (
        found["label"].tolist() == predictor(columns(bright_records(6, seed=1)))["label"].tolist()
    )
    assert found.index.tolist() == list(range(10, 16))
    assert found["confidence"].dtype == np.float64


def test_pixels_as_ray_reads_them(predictor: Predictor) -> None:
    records = bright_records(3, seed=1)
    stack = np.stack([np.asarray(record.images[0]) for record in records])
    assert isinstance(records[0].images[0], Image.Image)
    assert predictor({"image": stack})["label"].tolist() == (
        predictor(columns(records))["label"].tolist()
    )


def test_the_model_is_opened_once_and_only_when_it_is_wanted(saved: Path) -> None:
    lazy = Predictor(saved, device="cpu")
    assert lazy._opened is None
    rows = columns(bright_records(2))
    lazy(rows)
    classifier = lazy.open()
    lazy(rows)
    assert lazy.open() is classifier
    assert pickle.loads(pickle.dumps(lazy))._opened is None
    with pytest.raises(ArtefactError):
        Predictor(saved.parent, device="cpu").open()


def test_pictures_are_looked_for_where_it_is_said(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    bright, dark = bright_records(2, seed=1)[1], bright_records(2, seed=1)[0]
    (tmp_path / "a.png").write_bytes(picture(bright))
    (tmp_path / "deep" / "a.png").write_bytes(picture(dark))
    based = Predictor(saved, device="cpu", base=tmp_path)
    row = Row("x:1", {"image": "a.png"}, ["image"])
    (usual,), (other,) = based.answers([row]), based.answers([row], base=tmp_path / "deep")
    wanted = based({"image": [picture(bright), picture(dark)]})["label"].tolist()
    assert isinstance(usual, Prediction)
    assert isinstance(other, Prediction)
    assert [usual.label, other.label] == wanted
    assert isinstance(based.answers([row], base=tmp_path / "nowhere")[0], DataError)


def test_no_rows_have_no_answers_and_all_columns(predictor: Predictor) -> None:
    found = predictor({"image": [], "id": []})
    assert set(found) == {"image", "id", "label", "confidence", "exit_layer", "error"}
    assert all(len(column) == 0 for column in found.values())
    assert found["exit_layer"].dtype == np.int64
    assert predictor.answers([]) == []


def test_where_all_rows_are_bad_each_says_why(predictor: Predictor) -> None:
    found = predictor({"image": ["gone.png", b"?", 3]})
    assert found["label"].tolist() == [""] * 3
    assert "gone.png" in found["error"][0]
    assert "embedded picture" in found["error"][1]
    assert "image must be a path" in found["error"][2]
    assert np.isnan(found["confidence"]).all()
    assert found["exit_layer"].tolist() == [-1] * 3


def test_a_prefix_makes_room_for_every_name(saved: Path) -> None:
    batch = columns(bright_records(1))
    for name in ("label", "confidence", "exit_layer", "error"):
        with pytest.raises(DataError, match=f"answers' names: {name}"):
            Predictor(saved)(batch | {name: [0]})
        with pytest.raises(DataError, match=f"answers' names: my_{name}"):
            Predictor(saved, prefix="my_")(batch | {f"my_{name}": [0]})
