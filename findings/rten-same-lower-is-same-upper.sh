#!/usr/bin/env bash
# ONNX's `auto_pad = SAME_LOWER` puts the odd line of padding above and to the left, SAME_UPPER below and to the right. One would guess
# that a runtime without SAME_LOWER refuses it. rten 0.27.0 takes it, says nothing, and pads as for SAME_UPPER: with a kernel of 3, a stride
# of 2 and sides of 8, all 16 values are others than ONNX Runtime 1.32.0 computes. Where the padding is even (stride 1) both agree.
#
# Needs cargo and python3.11. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3.11 -m venv venv
venv/bin/pip install --quiet onnx==1.23.2 onnxruntime==1.32.0
venv/bin/python - <<'END'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

image = (np.arange(64, dtype=np.float32) % 13).reshape(1, 1, 8, 8)
image.tofile("image")
weights = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
for pad in ("SAME_LOWER", "SAME_UPPER"):
    for stride in (1, 2):
        node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad=pad, strides=[stride] * 2, kernel_shape=[3, 3], dilations=[1, 1])
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, side, side]) for name, side in (("x", 8), ("y", 8 // stride)))
        graph = helper.make_graph([node], "graph", [x], [y], [numpy_helper.from_array(weights, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, f"{pad}{stride}.onnx")
        session = ort.InferenceSession(f"{pad}{stride}.onnx", providers=["CPUExecutionProvider"])
        session.run(None, {"x": image})[0].tofile(f"{pad}{stride}.f32")
END
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "show"
version = "0.0.0"
edition = "2021"
[dependencies]
rten = { version = "=0.27.0", default-features = false, features = ["onnx_format"] }
rten-tensor = "=0.27.0"
END
cat > src/main.rs <<'END'
use rten::{op_types, ModelOptions, OpRegistry};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};

fn floats(file: &str) -> Vec<f32> {
    let bytes = std::fs::read(file).expect("values");
    bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four"))).collect()
}

fn main() {
    let mut as_told = true;
    for pad in ["SAME_LOWER", "SAME_UPPER"] {
        for stride in [1, 2] {
            let registry = OpRegistry::with_ops(&[&op_types::Conv]);
            let model = ModelOptions::with_ops(registry).load_file(format!("{pad}{stride}.onnx")).expect("a model");
            let input: Tensor<f32> = Tensor::from_data(&[1, 1, 8, 8], floats("image"));
            let outputs = model.run_n(vec![(model.input_ids()[0], input.into())], [model.output_ids()[0]], None);
            let [output] = outputs.expect("it runs");
            let output: NdTensor<f32, 4> = output.try_into().expect("numbers");
            let differing = |file: String| output.iter().zip(floats(&file)).filter(|(a, b)| (*a - b).abs() > 1e-3).count();
            let (own, upper) = (differing(format!("{pad}{stride}.f32")), differing(format!("SAME_UPPER{stride}.f32")));
            println!(
                "rten 0.27.0, {pad}, stride {stride}: {own} of {} values are not ONNX Runtime's; {upper} are not those of SAME_UPPER",
                output.len()
            );
            as_told &= upper == 0 && (own > 0) == (pad == "SAME_LOWER" && stride == 2);
        }
    }
    std::process::exit(i32::from(!as_told));
}
END
cargo run --quiet --release
