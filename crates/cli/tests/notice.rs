//! `NOTICE` names every crate of the program whose licence asks for more than the Apache License, of which the program has a copy.

use std::process::Command;

#[test]
fn names_every_crate_that_asks_for_it() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let notice = std::fs::read_to_string(format!("{root}/NOTICE")).unwrap();
    // One crate a line, with its licence.
    let tree = "tree --offline --locked --package mnasnet --edges normal --prefix none --format {p}|{l}";
    let tree = Command::new(env!("CARGO"))
        .args(tree.split(' '))
        .current_dir(root)
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let mut asking: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_once('|'))
        .filter(|(_, licence)| !licence.contains("Apache-2.0") || licence.contains("AND"))
        .map(|(krate, _)| krate.split(' ').next().unwrap())
        .collect();
    asking.sort_unstable();
    asking.dedup();
    assert!(
        asking.contains(&"jpeg-encoder") && asking.contains(&"snap"),
        "{asking:?}"
    );
    let listed = notice.lines().filter_map(|line| line.strip_prefix("- "));
    let listed: Vec<&str> = listed
        .flat_map(|line| line.split([',', ':']))
        .map(|part| part.trim().split(' ').next().unwrap())
        .collect();
    asking.retain(|krate| !listed.contains(krate));
    assert!(asking.is_empty(), "NOTICE lacks {asking:?}");
}
