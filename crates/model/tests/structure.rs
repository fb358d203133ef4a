//! What the engine may rely on, for any variant, width, class count and resolution.

use mnasnet_model::builder::MAX_WIDTH;
use mnasnet_model::{ConvKind, Network, Op, Summary, Tensor, VARIANTS, Variant};
use proptest::prelude::*;

fn assert_contiguous(tensors: &[Tensor]) {
    let mut end = 0;
    for tensor in tensors {
        assert_eq!(tensor.offset, end, "{}", tensor.name);
        assert!(!tensor.is_empty(), "{}", tensor.name);
        end = tensor.range().end;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shapes_fit_together(
        row in 0..VARIANTS.len(), width in 0.001..MAX_WIDTH, classes in 1usize..3000, resolution in 1usize..600,
    ) {
        let network = Network::build(&VARIANTS[row], width, classes, Some(0.3)).unwrap();
        assert_contiguous(&network.parameters);
        assert_contiguous(&network.buffers);
        let shapes = network.shapes(resolution).unwrap();
        for (i, node) in network.nodes.iter().enumerate() {
            prop_assert!(node.input <= i);
            let (input, output) = (shapes[node.input], shapes[i + 1]);
            let channels = match &node.op {
                Op::Conv(conv) => {
                    // With padding k / 2 the output side is the input's over the stride, rounded up.
                    prop_assert_eq!(output.height, input.height.div_ceil(conv.stride));
                    let read = if conv.kind == ConvKind::Depthwise { 1 } else { conv.c_in };
                    let weight = &network.parameters[conv.weight].shape;
                    prop_assert_eq!(weight, &vec![conv.c_out, read, conv.kernel, conv.kernel]);
                    conv.c_in
                }
                Op::SqueezeExcite(se) => se.channels,
                Op::Add { shortcut } => {
                    prop_assert_eq!(shapes[*shortcut], input);
                    prop_assert!(*shortcut < node.input);
                    input.channels
                }
                Op::Pool | Op::Dropout { .. } => input.channels,
                Op::Linear(linear) => linear.c_in,
            };
            prop_assert_eq!(channels, input.channels);
            prop_assert!(input.channels == 3 || input.channels % 8 == 0);
        }
        prop_assert_eq!(shapes.last().unwrap().len(), classes);

        let summary = Summary::new(&network, resolution).unwrap();
        prop_assert_eq!(summary.parameters, summary.layers.iter().map(|row| row.parameters).sum::<u64>());
    }
}

#[test]
fn nodes_come_in_execution_order() {
    let network = Network::build(Variant::by_name("mnasnet-a1").unwrap(), 1.0, 1000, None).unwrap();
    let names: Vec<&str> = network.nodes.iter().map(|node| node.name.as_str()).collect();
    let block = names.iter().position(|name| *name == "blocks.2.1.conv_pw").unwrap();
    assert_eq!(names[..3], ["conv_stem", "blocks.0.0.conv_dw", "blocks.0.0.conv_pw"]);
    assert_eq!(
        names[block..block + 5],
        [
            "blocks.2.1.conv_pw",
            "blocks.2.1.conv_dw",
            "blocks.2.1.se",
            "blocks.2.1.conv_pwl",
            "blocks.2.1.add"
        ]
    );
    assert_eq!(
        names[names.len() - 4..],
        ["conv_head", "global_pool", "dropout", "classifier"]
    );
    let add = &network.nodes[block + 4];
    // Value i + 1 is the result of node i, so `block` is the value that the block reads.
    assert_eq!(add.input, block + 4);
    assert!(matches!(add.op, Op::Add { shortcut } if shortcut == block), "{add:?}");
}

#[test]
fn the_table_row_of_a_layer() {
    let network = Network::build(Variant::by_name("mnasnet-mindspore").unwrap(), 1.0, 1000, None).unwrap();
    let summary = Summary::new(&network, 224).unwrap();
    let json = serde_json::to_value(&summary.layers[0]).unwrap();
    let expected = serde_json::json!({
        "name": "conv_stem", "op": "conv", "kernel": 3, "stride": 2,
        "input": {"height": 224, "width": 224, "channels": 3},
        "output": {"height": 112, "width": 112, "channels": 32},
        "parameters": 32 * 27 + 32 + 64, "multiply_adds": 112 * 112 * 32 * 27, "activation_bytes": 112 * 112 * 32 * 4,
    });
    assert_eq!(json, expected);
}
