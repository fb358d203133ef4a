#!/usr/bin/env bash
# A run is killed at step 6, and goes on from its checkpoint at step 3 into an event file of its own. One would guess that TensorBoard
# shows the steps 4 to 6 once, or at least the same points in each mode. TensorBoard 2.21.0 has two readers: the data server (the
# default) drops the first telling, the reader in Python (--load_fast=false, and the library's EventAccumulator) shows both. A
# SessionLog START with the step from which on events are void mends that, but not in the second file alone: the reader in Python
# passes over the first START that it meets. The first file needs one too.
#
# Needs python3 and x86-64 Linux (glibc). Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv py
py/bin/pip install --quiet tensorboard==2.21.0 'setuptools<81'
cat > readers.py <<'END'
import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def write(folder, name, events):
    with open(os.path.join(folder, f"events.out.tfevents.{name}.host.1"), "wb") as file:
        writer = RecordWriter(file)
        for event in [Event(file_version="brain.Event:2")] + events:
            event.wall_time = 1.0
            writer.write(event.SerializeToString())
        writer.flush()


def loss(step, value):
    return Event(step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=value)]))


def start(step):
    return [Event(step=step, session_log=SessionLog(status=SessionLog.START))]


NAMES = {"no START": ([], []), "START in the second file": ([], start(4)), "START in both files": (start(0), start(4))}
for name, (first, second) in NAMES.items():
    os.makedirs(f"runs/{name}")
    write(f"runs/{name}", "0000000001", first + [loss(step, 1.0) for step in range(1, 7)])
    write(f"runs/{name}", "0000000002", second + [loss(step, 2.0) for step in range(4, 9)])


def shown(fast):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", "runs", "--host", "127.0.0.1", "--port", str(port), "--load_fast", fast],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(60):
            time.sleep(1)
            try:
                curves = {}
                for name in NAMES:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?run={urllib.parse.quote(name)}&tag=loss") as answer:
                        curves[name] = [(step, value) for _, step, value in json.load(answer)]
                if all(curve[-1][0] == 8 for curve in curves.values()):
                    return curves
            except Exception:
                pass
        raise SystemExit("no answer")
    finally:
        server.terminate()
        server.wait()


once = [(step, 1.0 if step < 4 else 2.0) for step in range(1, 9)]
both = [(step, 1.0) for step in range(1, 7)] + [(step, 2.0) for step in range(4, 9)]
python, server = shown("false"), shown("true")
for name in NAMES:
    print(f"{name}: the reader in Python shows {len(python[name])} points, the data server {len(server[name])}")
assert python == {"no START": both, "START in the second file": both, "START in both files": once}, python
assert server == {name: once for name in NAMES}, server
END
py/bin/python readers.py
