//! Tells the program which commit it is built from, where that can be known.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut commit = None;
    // Without its own repository, from an archive say, the sources may lie in another's.
    if root.join(".git").exists() {
        let git = |arguments: &[&str]| {
            let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
            (output.status.success() && !text.is_empty()).then_some(text)
        };
        commit = git(&["rev-parse", "HEAD"]);
        // HEAD's log grows with each commit and each checkout; a work tree of its own has its own.
        for file in ["HEAD", "logs/HEAD"] {
            if let Some(path) = git(&["rev-parse", "--git-path", file]) {
                let path = root.join(path);
                if path.exists() {
                    println!("cargo:rerun-if-changed={}", path.display());
                }
            }
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!(
        "cargo:rustc-env=MNASNET_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
}
