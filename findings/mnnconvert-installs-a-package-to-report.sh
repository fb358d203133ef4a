#!/usr/bin/env bash
# One would guess that a model converter converts a model. mnnconvert and mnnquant of the Python package MNN 3.6.1 run
# `pip install -U aliyun-log-python-sdk` each time that package is missing, with whatever pip the PATH has and without asking. With the
# package, mnnconvert reports each conversion and the machine's id to a log service. The installation brings protobuf 5, with which
# onnx 1.23.2 in the same environment cannot be imported any more. `python -c 'import MNN, sys, _tools; _tools.mnnconvert(sys.argv)'`
# converts and does neither. Here the PATH has a pip that only notes what it is asked, so that nothing is installed or sent.
#
# Needs python3.11. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3.11 -m venv py
py/bin/pip install --quiet MNN==3.6.1 onnx==1.23.2
mkdir bin
cat > bin/pip <<END
#!/bin/sh
echo "pip \$*" >> $place/asked
exit 1
END
chmod +x bin/pip
py/bin/python - <<'END'
import onnx
from onnx import TensorProto, helper

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xy")
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", [x], [y])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "model.onnx")
END
convert=(-f ONNX --modelFile model.onnx --bizCode none --MNNModel)
touch asked
PATH=$place/bin:$PATH py/bin/python -c 'import MNN, sys, _tools; _tools.mnnconvert(sys.argv)' "${convert[@]}" direct.mnn > told 2>&1
echo "_tools.mnnconvert: $(wc -c < direct.mnn) bytes written, pip was asked: '$(cat asked)'"
[[ -s direct.mnn && ! -s asked ]] || exit 1
PATH=$place/bin:$PATH py/bin/mnnconvert "${convert[@]}" model.mnn > told 2>&1
echo "mnnconvert: $(wc -c < model.mnn) bytes written, pip was asked: '$(sort -u asked)'"
[[ -s model.mnn && $(sort -u asked) == "pip install -U aliyun-log-python-sdk" ]] || exit 1
# What it reports with.
grep -n "PutLogsRequest(\|/etc/machine-id" py/lib/python3.11/site-packages/MNN/tools/utils/log.py
