//! Writes the bytes that evaluation sees of each photo below a folder, `[R, R, 3]` one after the other, and prints the photos' names
//! in their order. `docs/interop/pixels.py` holds the bytes against Pillow's.
//!
//! `pixels FOLDER RESIZE R bilinear|bicubic OUT`

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use mnasnet_data::{Batch, Interpolation, Loader, Preprocessing, unlabelled};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, resize, resolution, interpolation, out] = arguments.as_slice() else {
        return Err("pixels FOLDER RESIZE R bilinear|bicubic OUT".into());
    };
    let preprocessing = Preprocessing {
        resize: resize.parse()?,
        interpolation: Interpolation::by_name(interpolation).ok_or("no such interpolation")?,
        ..Preprocessing::imagenet(resolution.parse()?)
    };
    let dataset = Arc::new(unlabelled(Path::new(folder))?);
    let mut loader = Loader::eval(dataset.clone(), preprocessing.eval_transform(), 32, 2)?;
    let (mut batch, mut file) = (Batch::default(), File::create(out)?);
    while loader.read_into(&mut batch)? {
        file.write_all(&batch.pixels)?;
    }
    (0..dataset.samples.len() as u32).for_each(|index| println!("{}", dataset.name(index).display()));
    Ok(())
}
