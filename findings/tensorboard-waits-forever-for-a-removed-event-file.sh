#!/usr/bin/env bash
# A program that goes on with a run writes the run's events anew into a file with a later name, and removes the older file. One would
# guess that a TensorBoard that watches goes on with the later file, as it does where the older one stays. The reader in Python of
# TensorBoard 2.21.0 (without TensorFlow) opens a file anew for each read, and never comes to the later file: it shows the old points
# for as long as it runs. An older file that is cut short does no harm.
#
# Needs python3. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv py
py/bin/pip install --quiet tensorboard==2.21.0 'setuptools<81'
cat > watch.py <<'END'
import logging
import os

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

logging.disable(logging.CRITICAL)


def write(path, steps):
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in [Event(file_version="brain.Event:2")] + [Event(step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=step)])) for step in steps]:
            event.wall_time = 1.0
            writer.write(event.SerializeToString())
        writer.flush()


def watched(then):
    folder = f"run-{then}"
    os.makedirs(folder)
    older, later = (f"{folder}/events.out.tfevents.{name}.host.1" for name in ("0000000001", "0000000002"))
    write(older, [1, 2, 3])
    reader = EventAccumulator(folder)
    reader.Reload()
    write(later, [4, 5])
    if then == "removed":
        os.remove(older)
    if then == "cut":
        os.truncate(older, os.path.getsize(older) // 2)
    for _ in range(5):
        try:
            reader.Reload()
        except Exception as error:
            print(f"{then}: {type(error).__name__}")
    return [event.step for event in reader.Scalars("loss")]


shown = {then: watched(then) for then in ("kept", "cut", "removed")}
print(shown)
assert shown == {"kept": [1, 2, 3, 4, 5], "cut": [1, 2, 3, 4, 5], "removed": [1, 2, 3]}, shown
END
py/bin/python watch.py
