//! Any bytes are a set of images (shards, ImageNet's archives, Parquet, a table), or an error.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use mnasnet_data::{Format, Split, locate};

// Panics of the parquet crate are caught where it is called. The fuzzer's hook would end the run before; without it all other
// panics still do.
static HOOK: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    // The first byte says what the rest is taken for.
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    let format = match kind % 6 {
        0 => Format::Imagenet,
        1 => Format::Webdataset,
        2 => Format::Parquet,
        3 => Format::Table,
        4 => Format::Zip,
        _ => Format::Folder,
    };
    // A table's photos are looked for beside it: the file has a folder of its own.
    let folder = std::env::temp_dir().join(format!("mnasnet-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("set");
    std::fs::write(&path, bytes).unwrap();
    // A file is never a folder of classes: its content tells what it is.
    let found = locate(&path, Split::Train, Some(format)).and_then(|location| location.open());
    if let Ok(dataset) = found {
        let mut content = Vec::new();
        for index in 0..dataset.samples.len().min(16) as u32 {
            let _ = dataset.name(index);
            let _ = dataset.read(index, &mut content);
        }
    }
    let _ = std::fs::remove_file(&path);
});
