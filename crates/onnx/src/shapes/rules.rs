//! The operations whose results have a size that is known before they are computed.

use Rule::*;

/// How an operation's output follows from its inputs. Numbers are places of inputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// As the first input.
    Same,
    /// The larger of the inputs on each axis.
    Broadcast,
    /// A window whose weights are the input of that place.
    Conv(usize),
    /// A window over each channel.
    Pool,
    /// Height and width become 1.
    GlobalPool,
    Flatten,
    /// The first input times the matrix of that place.
    Product(usize),
    /// The same of two matrices, either turned or not.
    Gemm(usize),
    /// Axes become 1, or go.
    Reduce,
    /// One axis becomes 1, or goes.
    Choose,
    Squeeze,
    Unsqueeze,
    Transpose,
    Reshape,
    Concat,
    Split,
    Slice,
    Gather,
    Shape,
    Pad,
    Expand,
    Tile,
    Fill,
    Resize,
    /// ONNX Runtime's own layout of channels: into it.
    Reorder,
    /// Out of it.
    Restore,
    /// As the first input, then a scale and a zero point.
    Quantise,
}

/// ONNX's own operations.
const STANDARD: &str = "";

/// ONNX Runtime's, which its optimiser and its quantiser write.
const MICROSOFT: &str = "com.microsoft";

/// The same in a layout of its own.
const NCHWC: &str = "com.microsoft.nchwc";

/// Domain, rule, operations.
const ROWS: &[(&str, Rule, &[&str])] = &[
    (
        STANDARD,
        Same,
        &[
            "Abs",
            "BatchNormalization",
            "Cast",
            "CastLike",
            "Ceil",
            "Celu",
            "Clip",
            "DequantizeLinear",
            "Dropout",
            "Elu",
            "Erf",
            "Exp",
            "Floor",
            "Gelu",
            "GroupNormalization",
            "HardSigmoid",
            "HardSwish",
            "Identity",
            "InstanceNormalization",
            "LRN",
            "LayerNormalization",
            "LeakyRelu",
            "Log",
            "LogSoftmax",
            "LpNormalization",
            "Mish",
            "Neg",
            "Not",
            "QuantizeLinear",
            "RMSNormalization",
            "Reciprocal",
            "Relu",
            "Round",
            "Selu",
            "Sigmoid",
            "Sign",
            "Softmax",
            "Softplus",
            "Softsign",
            "Sqrt",
            "Swish",
            "Tanh",
            "ThresholdedRelu",
        ],
    ),
    (
        STANDARD,
        Broadcast,
        &[
            "Add",
            "And",
            "Div",
            "Equal",
            "Greater",
            "GreaterOrEqual",
            "Less",
            "LessOrEqual",
            "Max",
            "Mean",
            "Min",
            "Mod",
            "Mul",
            "Or",
            "PRelu",
            "Pow",
            "Sub",
            "Sum",
            "Where",
        ],
    ),
    (STANDARD, Conv(1), &["Conv", "ConvInteger"]),
    (STANDARD, Conv(3), &["QLinearConv"]),
    (STANDARD, Pool, &["AveragePool", "LpPool", "MaxPool"]),
    (
        STANDARD,
        GlobalPool,
        &["GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"],
    ),
    (STANDARD, Product(1), &["MatMul", "MatMulInteger"]),
    (STANDARD, Product(3), &["QLinearMatMul"]),
    (STANDARD, Gemm(1), &["Gemm"]),
    (
        STANDARD,
        Reduce,
        &[
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSum",
            "ReduceSumSquare",
        ],
    ),
    (STANDARD, Choose, &["ArgMax", "ArgMin"]),
    (STANDARD, Flatten, &["Flatten"]),
    (STANDARD, Squeeze, &["Squeeze"]),
    (STANDARD, Unsqueeze, &["Unsqueeze"]),
    (STANDARD, Transpose, &["Transpose"]),
    (STANDARD, Reshape, &["Reshape"]),
    (STANDARD, Concat, &["Concat"]),
    (STANDARD, Split, &["Split"]),
    (STANDARD, Slice, &["Slice"]),
    (STANDARD, Gather, &["Gather"]),
    (STANDARD, Shape, &["Shape"]),
    (STANDARD, Pad, &["Pad"]),
    (STANDARD, Expand, &["Expand"]),
    (STANDARD, Tile, &["Tile"]),
    (STANDARD, Fill, &["ConstantOfShape"]),
    (STANDARD, Resize, &["Resize"]),
    (STANDARD, Quantise, &["DynamicQuantizeLinear"]),
    (
        MICROSOFT,
        Same,
        &[
            "BiasGelu",
            "FastGelu",
            "Gelu",
            "QLinearLeakyRelu",
            "QLinearSigmoid",
            "QLinearSoftmax",
            "QuickGelu",
            "DequantizeLinear",
            "QuantizeLinear",
        ],
    ),
    (
        MICROSOFT,
        Broadcast,
        &["BiasAdd", "QLinearAdd", "QLinearMul", "QLinearWhere"],
    ),
    (MICROSOFT, Conv(1), &["FusedConv", "NhwcFusedConv"]),
    (MICROSOFT, Conv(3), &["QLinearConv"]),
    (MICROSOFT, Pool, &["NhwcMaxPool", "QLinearAveragePool"]),
    (MICROSOFT, GlobalPool, &["QLinearGlobalAveragePool"]),
    (
        MICROSOFT,
        Product(1),
        &["DynamicQuantizeMatMul", "FusedMatMul", "MatMulIntegerToFloat"],
    ),
    (MICROSOFT, Gemm(1), &["FusedGemm"]),
    (MICROSOFT, Gemm(3), &["QGemm"]),
    (MICROSOFT, Reduce, &["QLinearReduceMean"]),
    (NCHWC, Conv(1), &["Conv"]),
    (NCHWC, Pool, &["AveragePool", "MaxPool"]),
    (NCHWC, GlobalPool, &["GlobalAveragePool", "GlobalMaxPool"]),
    (NCHWC, Reorder, &["ReorderInput"]),
    (NCHWC, Restore, &["ReorderOutput"]),
];

/// The rule of an operation.
pub(super) fn rule(domain: &str, op: &str) -> Option<Rule> {
    let domain = if domain == "ai.onnx" { STANDARD } else { domain };
    let row = ROWS.iter().find(|row| row.0 == domain && row.2.contains(&op))?;
    Some(row.1)
}

/// Whether the operation takes a pixel's channels together, last, whatever its attributes say.
pub(super) fn is_channels_last(op: &str) -> bool {
    matches!(op, "NhwcFusedConv" | "NhwcMaxPool")
}
