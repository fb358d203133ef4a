//! Against torchvision, timm and MindSpore: names, order, shapes, counts. `fixtures/make_fixtures.py` says where from.

use mnasnet_model::{Dialect, Network, Op, Summary, VARIANTS, Variant};

fn build(variant: &str, width: f64) -> Network {
    Network::build(Variant::by_name(variant).unwrap(), width, 1000, None).unwrap()
}

/// Rows of a fixture without its header.
fn rows(csv: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    csv.lines().skip(1).map(|line| line.split(',').collect())
}

/// Names and shapes of a network's tensors in a dialect's order.
fn listing(network: &Network, dialect: Dialect) -> Vec<(String, Vec<usize>)> {
    let names = network.names(dialect).unwrap();
    names
        .into_iter()
        .map(|(name, place)| (name, network.tensor(place).shape.clone()))
        .collect()
}

#[test]
fn counts_and_residuals_are_those_of_torchvision_and_timm_at_every_width() {
    let mut checked = 0;
    for row in rows(include_str!("fixtures/counts.csv")) {
        let network = build(row[1], row[2].parse().unwrap());
        for (resolution, macs) in [(224, row[4]), (129, row[5]), (1, row[6])] {
            let summary = Summary::new(&network, resolution).unwrap();
            let ours = (summary.parameters.to_string(), summary.multiply_adds.to_string());
            assert_eq!(ours, (row[3].into(), macs.into()), "{row:?} at {resolution}");
        }
        let residuals: Vec<&str> = network
            .nodes
            .iter()
            .filter(|node| matches!(node.op, Op::Add { .. }))
            .map(|node| node.name.strip_prefix("blocks.").unwrap().strip_suffix(".add").unwrap())
            .collect();
        assert_eq!(residuals.join(" "), row[7], "{row:?}");
        checked += 1;
    }
    assert_eq!(checked, 32);
}

#[test]
fn tensors_have_the_names_order_and_shapes_of_torchvision_and_timm() {
    let expected: Vec<_> = rows(include_str!("fixtures/tensors.csv")).collect();
    let files = [
        ("torchvision", "mnasnet-b1", Dialect::Torchvision),
        ("timm", "mnasnet-b1", Dialect::Timm),
        ("timm", "mnasnet-a1", Dialect::Timm),
        ("timm", "mnasnet-small", Dialect::Timm),
    ];
    let mut checked = 0;
    for (origin, variant, dialect) in files {
        let theirs: Vec<(String, Vec<usize>)> = expected
            .iter()
            .filter(|row| row[0] == origin && row[1] == variant)
            .map(|row| {
                (
                    row[2].to_string(),
                    row[3].split('x').map(|n| n.parse().unwrap()).collect(),
                )
            })
            .collect();
        checked += theirs.len();
        assert_eq!(listing(&build(variant, 1.0), dialect), theirs, "{origin} {variant}");
    }
    assert_eq!(checked, expected.len());
}

#[test]
fn tensors_have_the_names_order_and_shapes_of_mindspores_checkpoint() {
    let file: Vec<serde_json::Value> = serde_json::from_str(include_str!("fixtures/mindspore_tensors.json")).unwrap();
    let theirs: Vec<(String, Vec<usize>)> = file
        .iter()
        .map(|tensor| {
            let shape = tensor["shape"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_u64().unwrap() as usize);
            (tensor["name"].as_str().unwrap().to_string(), shape.collect())
        })
        .collect();
    assert_eq!(theirs.len(), 263);
    let network = build("mnasnet-mindspore", 1.0);
    assert_eq!(listing(&network, Dialect::MindSpore), theirs);
    let trainable = |tensor: &&serde_json::Value| tensor["requires_grad"].as_bool().unwrap();
    assert_eq!(network.parameters.len(), file.iter().filter(trainable).count());
}

#[test]
fn mindspores_counts_are_those_of_its_onnx_export() {
    let network = build("mnasnet-mindspore", 1.0);
    let summary = Summary::new(&network, 224).unwrap();
    assert_eq!(
        (summary.parameters, summary.buffers, summary.multiply_adds),
        (4_387_440, 37_920, 365_796_096)
    );
    let count = |wanted: fn(&Op) -> bool| network.nodes.iter().filter(|node| wanted(&node.op)).count();
    assert_eq!(count(|op| matches!(op, Op::Conv(_))), 52);
    assert_eq!(count(|op| matches!(op, Op::Conv(conv) if conv.relu)), 35);
    assert_eq!(count(|op| matches!(op, Op::Add { .. })), 10);
    assert_eq!(count(|op| matches!(op, Op::Pool)), 1);
    assert_eq!(count(|op| matches!(op, Op::Dropout { .. })), 0);
    assert_eq!(count(|op| matches!(op, Op::Linear(_))), 1);
}

#[test]
fn every_name_of_a_dialect_is_its_own() {
    for variant in VARIANTS.iter() {
        for dialect in [Dialect::Timm, Dialect::Torchvision, Dialect::MindSpore, Dialect::Mindcv] {
            let Ok(mut names) = build(&variant.name, 1.0).names(dialect) else {
                continue;
            };
            let total = names.len();
            names.sort_by(|a, b| a.0.cmp(&b.0));
            names.dedup_by(|a, b| a.0 == b.0);
            assert_eq!(names.len(), total, "{} {dialect:?}", variant.name);
        }
    }
}
