#!/usr/bin/env bash
# onnx2tf's -odrqt writes a TFLite model of int8 weights ("dynamic range"). One would guess that it computes about what the float32 model
# beside it does. onnx2tf 2.6.9 ends with 0 and says nothing, but of one plain convolution LiteRT 2.1.2, which it is pinned to, computes
# other numbers altogether, and LiteRT 2.3.0 refuses the model: the scales are told to lie along the last axis of the weights, where LiteRT
# has them along the first. With -qt per-tensor, one scale for all weights, both compute the right numbers.
#
# Needs python3.12. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
# Where pyenv has it, the name alone is not enough.
export PYENV_VERSION=3.12
python3.12 -m venv py
py/bin/pip install --quiet onnx2tf==2.6.9
python3.12 -m venv new
new/bin/pip install --quiet ai-edge-litert==2.3.0
cat > make.py <<'END'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(8, 3, 3, 3)).astype(np.float32), "w")
node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4, kernel_shape=[3, 3])
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])
y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 16, 16])
graph = helper.make_graph([node], "graph", [x], [y], [weights])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "model.onnx")
END
cat > run.py <<'END'
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def values(path):
    model = Interpreter(path)
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype(np.float32))
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


folder = sys.argv[1]
exact = values(f"{folder}/model_float32.tflite")
try:
    found = values(f"{folder}/model_dynamic_range_quant.tflite")
except RuntimeError as error:
    print("refused" if "quantized_dimension" in str(error) else error)
else:
    ratio = np.abs(found - exact).max() / np.abs(exact).max()
    print("right" if ratio < 0.05 else f"off by {ratio:.2g} of the largest")
END
py/bin/python make.py
as_told=0
for case in "per-channel off refused" "per-tensor right right"; do
    read -r quant old new <<< "$case"
    py/bin/onnx2tf -n -i model.onnx -o "$quant" -odrqt -qt "$quant" > told 2>&1
    was=$(py/bin/python run.py "$quant" 2>/dev/null)
    is=$(new/bin/python run.py "$quant" 2>/dev/null)
    echo "onnx2tf 2.6.9, $quant: LiteRT 2.1.2 $was, LiteRT 2.3.0 $is"
    [[ $was == "$old"* && $is == "$new"* ]] || as_told=1
done
exit $as_told
