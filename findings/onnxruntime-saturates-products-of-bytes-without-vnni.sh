#!/usr/bin/env bash
# ONNX defines the sum of QLinearConv as an integer of 32 bits, so one would guess that every processor gives one result, as for
# ConvInteger. ONNX Runtime 1.32.0 on x86-64 without VNNI (AVX2, AVX-512 before VNNI) adds unsigned by signed bytes in pairs of 16 bits,
# which saturate: 64 products of 255 by 127 become 101 instead of 200, also where Q/DQ around Conv is fused, and nothing is logged.
# ConvInteger is exact. The session's entry `session.x64quantprecision` = "1" makes all three exact.
#
# Needs python3.11. On a processor with VNNI there is nothing to see, and it says so. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
if grep -q -w -E 'avx512_vnni|avx_vnni' /proc/cpuinfo; then
    echo "this processor has VNNI: not to be seen here"
    exit 0
fi
python3.11 -m venv venv
venv/bin/pip install --quiet onnx==1.23.2 onnxruntime==1.32.0
venv/bin/python - <<'END'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 64
SUM = 255 * 127 * CHANNELS
tensors = {
    "one": np.float32(1),
    "zero": np.uint8(0),
    "weights": np.full((CHANNELS, CHANNELS, 1, 1), 127, np.int8),
    "weights_zero": np.int8(0),
    "scale": np.float32(SUM / 200),
}


def said(nodes, kind, made, exact):
    image = np.full((1, CHANNELS, 8, 8), 255, np.uint8 if kind == TensorProto.UINT8 else np.float32)
    ends = [helper.make_tensor_value_info("x", kind, image.shape), helper.make_tensor_value_info("y", made, image.shape)]
    used = {name for node in nodes for name in node[1]}
    weights = [numpy_helper.from_array(np.asarray(tensor), name) for name, tensor in tensors.items() if name in used]
    graph = helper.make_graph([helper.make_node(*node) for node in nodes], "graph", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", exact)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": image})[0].ravel()[0]


byte, real, whole = TensorProto.UINT8, TensorProto.FLOAT, TensorProto.INT32
fused = [
    ("QuantizeLinear", ["x", "one", "zero"], ["bytes"]),
    ("DequantizeLinear", ["bytes", "one", "zero"], ["image"]),
    ("DequantizeLinear", ["weights", "one", "weights_zero"], ["kernel"]),
    ("Conv", ["image", "kernel"], ["sum"]),
    ("QuantizeLinear", ["sum", "scale", "zero"], ["result"]),
    ("DequantizeLinear", ["result", "scale", "zero"], ["y"]),
]
operator = [("QLinearConv", ["x", "one", "zero", "weights", "one", "weights_zero", "scale", "zero"], ["y"])]
integer = [("ConvInteger", ["x", "weights"], ["y"])]
seen = {
    "QLinearConv": [said(operator, byte, byte, exact) for exact in "01"],
    "Q/DQ around Conv": [said(fused, real, real, exact) / (SUM / 200) for exact in "01"],
    "ConvInteger": [said(integer, byte, whole, exact) / (SUM / 200) for exact in "01"],
}
for name, (usual, exact) in seen.items():
    print(f"{name}: {usual:.0f} as usual, {exact:.0f} when asked to be exact; 200 is right")
assert {name: [round(float(value)) for value in pair] for name, pair in seen.items()} == {
    "QLinearConv": [101, 200],
    "Q/DQ around Conv": [101, 200],
    "ConvInteger": [200, 200],
}
END
