from __future__ import annotations

import json

from pictures import bright_records
from superneurons.evaluate.setting import setting_of
from superneurons.vlm.model import VLM


def test_it_says_what_belongs_beside_a_figure(vlm: VLM) -> None:
    setting = json.loads(json.dumps(setting_of(vlm, bright_records(3), repeats=5, seed=2)))
    assert (setting["device"], setting["dtype"], setting["test_records"]) == ("cpu", "float32", 3)
    tokens = vlm.encode(bright_records(1)).tensors["attention_mask"].sum()
    assert setting["prompt_tokens"] == int(tokens)
    assert setting["timing"]["batch_size"] == 1
