#!/usr/bin/env bash
# Hugging Face's hub promises the SHA-256 of each large file (X-Linked-Etag), and the cache names the file by it. One would guess that
# huggingface_hub compares the download with it. huggingface_hub 2.4.0 compares the size alone, over plain HTTP: other bytes of the same
# length are cached under the promised SHA-256 without a word, and are taken from the cache from then on, offline too.
#
# Needs python3. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv py
py/bin/pip install --quiet huggingface_hub==2.4.0
cat > damaged.py <<'END'
import hashlib
import http.server
import os
import threading

promised = bytes(range(256)) * 64
sent = bytes([promised[0] ^ 1]) + promised[1:]
sha = hashlib.sha256(promised).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("X-Repo-Commit", "4f3a1c0b5d6e7f8091a2b3c4d5e6f708192a3b4c")
        self.send_header("X-Linked-Etag", f'"{sha}"')
        self.send_header("X-Linked-Size", str(len(sent)))
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.answer(b"")

    def do_GET(self):
        self.answer(sent)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name in list(os.environ):
    if name.lower().endswith("_proxy") or name.startswith("HF_"):
        del os.environ[name]
os.environ.update(HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HOME=os.getcwd() + "/home", HF_HUB_DISABLE_PROGRESS_BARS="1")

import huggingface_hub

path = huggingface_hub.hf_hub_download("owner/name", "model.safetensors")
blob = os.path.realpath(path)
found = hashlib.sha256(open(blob, "rb").read()).hexdigest()
print(f"huggingface_hub {huggingface_hub.__version__}: blobs/{os.path.basename(blob)[:12]}... has the SHA-256 {found[:12]}...")
offline = huggingface_hub.hf_hub_download("owner/name", "model.safetensors", local_files_only=True)
raise SystemExit(not (os.path.basename(blob) == sha and found != sha and offline == path))
END
py/bin/python damaged.py
