"""Kill ``superneurons fit`` at random moments, resume it, and compare the artefact byte by byte.

    python benchmarks/kill_and_resume.py --kills 10

Fits once undisturbed and once with the given number of kills (SIGKILL), on the embedded model or
any other, and fails unless both artefacts are the same, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def command(model: str, data: Path, out: Path) -> list[str]:
    words = ["fit", "--model", model, "--data", data, "--out", out, "--batch-size", "4"]
    return [sys.executable, "-m", "superneurons", *map(str, words)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--task", default="bigger", help="an embedded task to fit on")
    parser.add_argument("--records", type=int, default=240)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        made = ["tasks", "make", options.task, "-n", str(options.records), "-o", str(root / "data")]
        subprocess.run([sys.executable, "-m", "superneurons", *made], check=True)
        data = root / "data" / "records.jsonl"
        begun = time.monotonic()
        subprocess.run(command(options.model, data, root / "whole"), check=True)
        undisturbed = time.monotonic() - begun
        moments = []
        for _ in range(options.kills):
            process = subprocess.Popen(command(options.model, data, root / "cut"))
            moment = draw.uniform(0, undisturbed)
            try:
                process.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                moments.append(round(moment, 2))
            if (root / "cut").exists():  # it got to the end: start over, there are kills to do
                before = (root / "cut" / "config.json").read_bytes()
                assert before == (root / "whole" / "config.json").read_bytes()
                subprocess.run(["rm", "-r", str(root / "cut")], check=True)
        subprocess.run(command(options.model, data, root / "cut"), check=True)
        same = all(
            (root / "cut" / file.name).read_bytes() == file.read_bytes()
            for file in (root / "whole").iterdir()
        )
    print(json.dumps({"kills": len(moments), "seconds": moments, "identical": same}))
    sys.exit(not same)


if __name__ == "__main__":
    main()
