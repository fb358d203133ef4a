#!/usr/bin/env bash
# WGSL says that a shader is an error if a barrier stands where control flow is not uniform, because a lane that misses a barrier leaves
# the others undefined ("workgroupBarrier ... must only be used in uniform control flow"). One would guess that naga, which analyses
# uniformity and has a flag for it, refuses such a shader. naga 30.0.2, the front end of wgpu 30, with all checks
# (ValidationFlags::all(), CONTROL_FLOW_UNIFORMITY among them) takes it: behind `if (lane < 3u)`, behind an early return of some lanes,
# in a loop that runs as often as the lane's number. So "naga validates it" does not say that barriers are right.
#
# Needs cargo. Ends with 1 where this is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir src
cat > Cargo.toml <<'END'
[package]
name = "show"
version = "0.0.0"
edition = "2021"
[dependencies]
naga = { version = "=30.0.2", features = ["wgsl-in"] }
END
cat > src/main.rs <<'END'
use naga::valid::{Capabilities, ValidationFlags, Validator};

const HEAD: &str = "@group(0) @binding(0) var<storage, read_write> v: array<f32>;
var<workgroup> w: array<f32, 64>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) { w[lane] = 1.0;";

fn is_taken(body: &str) -> bool {
    let text = format!("{HEAD}\n{body}\nv[lane] = w[63u - lane]; }}");
    let module = naga::front::wgsl::parse_str(&text).expect("it parses");
    Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).is_ok()
}

fn main() {
    assert!(ValidationFlags::all().contains(ValidationFlags::CONTROL_FLOW_UNIFORMITY));
    assert!(is_taken("workgroupBarrier();"), "a right one is taken");
    let mut all = true;
    for (name, body) in [
        ("in a branch of some lanes", "if (lane < 3u) { workgroupBarrier(); }"),
        ("behind an early return of some lanes", "if (lane < 3u) { return; } workgroupBarrier();"),
        ("in a loop that each lane runs another number of times", "for (var i = 0u; i < lane; i++) { workgroupBarrier(); }"),
    ] {
        let taken = is_taken(body);
        println!("naga 30.0.2, a barrier {name}: {}", if taken { "valid" } else { "refused" });
        all &= taken;
    }
    std::process::exit(i32::from(!all));
}
END
cargo run --quiet --release
