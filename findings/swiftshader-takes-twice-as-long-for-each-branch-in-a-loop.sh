#!/usr/bin/env bash
# One would guess that the time to compile a shader grows with its length. In SwiftShader (Debian 12's Chromium 148, 2026-11) it doubles
# with each branch that follows another one within a loop: 8 values that are read behind `a && b && c && d` take 19 seconds, and 8 behind
# `a & b & c & d` take 0.05. The reason is in the source: Spirv::Function::ExistsPath (src/Pipeline/SpirvShaderControlFlow.cpp), which
# looks for a loop's back edge, marks a block as seen when it is taken from the queue and not when it is put there. Where two ways meet,
# the block is in the queue twice, and so is all behind it. `&&` is a branch in naga's SPIR-V, `&` of two bool is none.
#
# Needs cargo and Debian 12 or 13 on x86-64 (.ci/software-gpus). Ends with 1 where this is no longer so.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/software-gpus target/software-gpus | grep '^swiftshader: '
run=$PWD/target/software-gpus/run
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
pollster = "0.4"
wgpu = { version = "=30.0.2", default-features = false, features = ["std", "parking_lot", "vulkan", "wgsl"] }
END
cat > src/main.rs <<'END'
use std::time::Instant;

/// A kernel that adds up so many values, each read where it lies inside.
fn text(values: usize, and: &str) -> String {
    let reads: String = (0..values).map(|at| format!("sum += value_at(p.z + i, i32(lane) + {at});\n")).collect();
    format!(
        "@group(0) @binding(0) var<uniform> p: vec4<i32>;
        @group(0) @binding(1) var<storage, read_write> v: array<f32>;
        fn value_at(row: i32, column: i32) -> f32 {{
            let is_in = (row >= 0) {and} (row < p.x) {and} (column >= 0) {and} (column < p.y);
            return select(0.0, v[select(0, row * p.y + column, is_in)], is_in);
        }}
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {{
            var sum = 0.0;
            for (var i = 0; i < p.w; i++) {{ {reads} }}
            v[lane] = sum;
        }}"
    )
}

fn main() {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).expect("a device");
    let (device, _queue) = pollster::block_on(adapter.request_device(&Default::default())).expect("it opens");
    println!("{}", adapter.get_info().name);
    let seconds = |values, and| {
        let start = Instant::now();
        let source = wgpu::ShaderSource::Wgsl(text(values, and).into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let _ = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        start.elapsed().as_secs_f64()
    };
    seconds(1, "&");
    let plain = seconds(8, "&");
    println!("8 values behind `&`: {plain:.2} s");
    let times: Vec<f64> = (5..=8).map(|values| seconds(values, "&&")).collect();
    for (values, time) in (5..=8).zip(&times) {
        println!("{values} values behind `&&`: {time:.2} s");
    }
    let is_so = times[3] > 4.0 * times[2] && times[2] > 4.0 * times[1] && times[3] > 20.0 * plain;
    std::process::exit(i32::from(!is_so));
}
END
cargo build --quiet --release
"$run" swiftshader target/release/show
