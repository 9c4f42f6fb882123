#!/bin/sh
# Trains, exports and measures the demo model on one H100 (about 14 minutes).
# Usage: recipes/demo_vlm/train.sh [output directory] [seed]
set -eu
here=$(dirname "$0")
out=${1:-$here/out}
seed=${2:-0}
atlas=$here/data/atlas_train.json
mkdir -p "$out"
[ -f "$atlas" ] || { python "$here/fetch.py"; python "$here/build_atlas.py"; }
python "$here/train_teacher.py" --atlas "$atlas" --seed "$seed" --out "$out/teacher.pt"
python "$here/train_vision.py" --atlas "$atlas" --seed "$seed" --teacher "$out/teacher.pt" \
    --out "$out/vision.pt"
python "$here/train_joint.py" --atlas "$atlas" --seed "$seed" --vision "$out/vision.pt" \
    --out "$out/weights.safetensors"
python "$here/score_tasks.py" --weights "$out/weights.safetensors" --out "$out/report.json"
