#!/usr/bin/env bash
# MindSpore can end a checkpoint with a CRC-32 trailer (save_checkpoint(..., crc_check=True)). One would guess that a file which has the
# trailer is checked when it is read. MindSpore 2.10.0 checks it only if load_checkpoint gets crc_check=True too. By default a file with
# one flipped bit loads, without a word, to another weight. With crc_check=True the same file is refused.
#
# Needs python3.11. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3.11 -m venv py
py/bin/pip install --quiet mindspore==2.10.0
py/bin/python - <<'END' 2>/dev/null
import numpy as np
import mindspore as ms

ms.save_checkpoint([{"name": "w", "data": ms.Tensor(np.ones(64, np.float32))}], "whole.ckpt", crc_check=True)
data = bytearray(open("whole.ckpt", "rb").read())
assert b"crc_num" in data, "the trailer is there"
at = data.index(np.ones(8, np.float32).tobytes())
data[at + 2] ^= 0x40
open("flipped.ckpt", "wb").write(data)

ms.load_checkpoint("whole.ckpt", crc_check=True)
by_default = ms.load_checkpoint("flipped.ckpt")["w"].asnumpy()
try:
    ms.load_checkpoint("flipped.ckpt", crc_check=True)
    asked = "loaded"
except Exception as error:
    asked = "refused: " + type(error).__name__
print(f"MindSpore {ms.__version__}, one bit flipped: by default loaded, first weight {by_default[0]} for 1.0; with crc_check=True {asked}")
raise SystemExit(not (by_default[0] != 1.0 and asked.startswith("refused")))
END
