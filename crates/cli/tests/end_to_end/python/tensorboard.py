"""What TensorBoard shows of the runs below argv[1], through both of its readers, whenever a line comes in: a line of JSON each.

The servers go on between the lines, so that they meet a run that is killed and goes on.
"""
import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def begin(logdir, fast):
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--host", "127.0.0.1", "--port", str(port),
               "--load_fast", fast, "--reload_interval", "1", "--samples_per_plugin", "scalars=100000"]
    return port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def get(port, path, body=None, **query):
    url = f"http://127.0.0.1:{port}/data/{path}?{urllib.parse.urlencode(query)}"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def shown(port):
    scalars = {
        run: {tag: [point[1:] for point in get(port, "plugin/scalars/scalars", run=run, tag=tag)] for tag in tags}
        for run, tags in get(port, "plugin/scalars/tags").items()
    }
    histograms = get(port, "plugin/histograms/tags")
    first = {run: next(iter(sorted(tags))) for run, tags in histograms.items()}
    images = get(port, "plugin/images/tags")
    text = get(port, "plugin/text/tags")
    request = {"experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
               "colParams": [], "startIndex": 0, "sliceSize": 10}
    hparams = get(port, "plugin/hparams/session_groups", body=request)
    return {
        "scalars": scalars,
        "histograms": {run: len(tags) for run, tags in histograms.items()},
        "histogram": {run: [step for _, step, _ in get(port, "plugin/histograms/histograms", run=run, tag=tag)]
                      for run, tag in first.items()},
        "images": {run: [image["step"] for image in get(port, "plugin/images/images", run=run, tag="train/batch", sample=0)]
                   for run in images},
        "text": {run: get(port, "plugin/text/text", run=run, tag="settings")[-1]["text"] for run in text},
        "hparams": [group["hparams"] for group in hparams["sessionGroups"]],
        "metrics": [sorted(value["name"]["tag"] for value in group["metricValues"]) for group in hparams["sessionGroups"]],
    }


def settled(port):
    """What is shown when it no longer changes."""
    before, until = None, time.time() + 60
    while time.time() < until:
        time.sleep(3)
        try:
            now = shown(port)
        except Exception as error:
            now = None
            reason = error
        if now is not None and now == before and now["scalars"]:
            return now
        before = now
    raise SystemExit(f"TensorBoard on port {port} does not settle: {before or reason}")


servers = {"slow": begin(sys.argv[1], "false"), "fast": begin(sys.argv[1], "true")}
try:
    for _ in sys.stdin:
        print(json.dumps({name: settled(port) for name, (port, _) in servers.items()}), flush=True)
finally:
    for _, process in servers.values():
        process.terminate()
        process.wait()
