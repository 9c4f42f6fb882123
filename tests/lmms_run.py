"""Run lmms-eval itself, in a process of its own: it changes Pillow, torch and more as it starts.

python tests/lmms_run.py TASKS_DIR RESULTS.json TASK,TASK CLASSIFIER_DIR …
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(tasks_dir: str, out: str, names: str, *classifiers: str) -> None:
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    tasks = TaskManager(include_path=tasks_dir, include_defaults=False)
    found = {}
    for classifier in classifiers:
        given = simple_evaluate(
            model="superneurons", model_args=f"classifier={classifier}", tasks=names.split(","),
            task_manager=tasks, batch_size=4, device="cpu", bootstrap_iters=0,
        )  # fmt: skip
        found[classifier] = {"results": given["results"], "model": given["config"]["model_backend"]}
    Path(out).write_text(json.dumps(found, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
