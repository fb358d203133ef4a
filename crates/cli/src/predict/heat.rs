//! `predict --heatmap`: photos with what speaks for a class.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mnasnet_data::{RgbImage, wordnet_name, write_png};
use mnasnet_engine::derivative::derivative;
use mnasnet_engine::pool::Pool;
use mnasnet_engine::{Device, FeatureExtractor, Normalise, Pixels, Precision};
use mnasnet_judge::classifier::normalise;
use mnasnet_judge::heat::{HeatMap, layer, layers, overlay};
use mnasnet_judge::vectors::Subject;
use mnasnet_model::ValueId;

use super::STDIN;
use super::sort::numbered;
use crate::args::PredictArgs;
use crate::console::visible_name;
use crate::data::apart;
use crate::failure::Failure;
use crate::model_file::{ModelFile, processor};
use crate::paths;

/// The name of a photo that has none.
const UNNAMED: &str = "standard-input";

/// Draws heat maps into a folder. They are computed on the processor, in float32, whatever the predictions are computed on.
pub struct HeatMaps<'a> {
    folder: PathBuf,
    subject: Subject<'a>,
    cpu_features: FeatureExtractor,
    normalise: Normalise,
    /// The class that is asked for; else the likeliest.
    class: Option<usize>,
    /// The value that Grad-CAM looks at; else the last map, exactly.
    value: Option<ValueId>,
}

impl<'a> HeatMaps<'a> {
    /// What the arguments ask for, if they ask for heat maps.
    pub fn new(args: &PredictArgs, model: &'a ModelFile, device: &dyn Device) -> Result<Option<Self>, Failure> {
        let Some(folder) = &args.heatmap else {
            return Ok(None);
        };
        paths::output(folder)?;
        paths::folder(folder, "--heatmap puts pictures into a folder")?;
        for images in args.images.iter().filter(|path| path.is_dir()) {
            apart(images, folder, "the pictures")?;
        }
        let (network, weights) = model.weights("heat maps are")?;
        let cpu = processor(device)?;
        let value = |name: &String| {
            layer(network, name).ok_or_else(|| {
                Failure::Usage(format!(
                    "{} has no layer {name:?} with a map; say one of {}",
                    model.path.display(),
                    layers(network).join(", ")
                ))
            })
        };
        let subject = Subject {
            cpu,
            network,
            weights,
            preprocessing: &model.record.preprocessing,
            precision: Precision::F32,
        };
        Ok(Some(Self {
            folder: folder.clone(),
            cpu_features: subject.extractor(1)?,
            normalise: normalise(subject.preprocessing),
            class: args.heatmap_class.as_ref().map(|name| class(model, name)).transpose()?,
            value: args.heatmap_layer.as_ref().map(value).transpose()?,
            subject,
        }))
    }

    /// Draws the map of a photo, as the model sees it, for the class that is asked for, or the likeliest. Returns where it lies.
    pub fn draw(&mut self, path: &Path, photo: &RgbImage, likeliest: usize, pool: &Pool) -> Result<PathBuf, Failure> {
        let class = self.class.unwrap_or(likeliest);
        let heat = pool.install(|| self.heat(photo, class))?;
        let mut picture = photo.clone();
        overlay(&mut picture.pixels, &heat.shown(photo.width));
        self.put(path, &picture)
    }

    fn heat(&mut self, photo: &RgbImage, class: usize) -> Result<HeatMap, Failure> {
        let Subject { network, weights, .. } = self.subject;
        let Some(value) = self.value else {
            let features = self
                .cpu_features
                .features(Pixels::U8(&photo.pixels, self.normalise), 1)?;
            return Ok(HeatMap::of_class(
                network,
                weights,
                (features.map, features.shape),
                class,
            ));
        };
        let Normalise { scale, shift } = self.normalise;
        let normal = |(at, byte): (usize, &u8)| scale[at % 3] * f32::from(*byte) + shift[at % 3];
        let image: Vec<f32> = photo.pixels.iter().enumerate().map(normal).collect();
        let found = derivative(network, weights, (&image, photo.width), value, |_| class)?;
        Ok(HeatMap::of_value(&found))
    }

    /// Writes a picture under the photo's name. What lies there already stays: the same picture is not written again, and another one of
    /// its name lies beside it under a number.
    fn put(&self, photo: &Path, picture: &RgbImage) -> Result<PathBuf, Failure> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Failure::Write { path, source }
        };
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let part = paths::part_in(&self.folder).map_err(failed(&self.folder))?;
        write_png(part.path(), picture)?;
        let bytes = fs::read(part.path()).map_err(failed(part.path()))?;
        let photo = match photo == Path::new(STDIN) {
            true => Path::new(UNNAMED),
            false => photo,
        };
        let name = Path::new(photo.file_name().unwrap_or_default()).with_extension("png");
        let mut part = Some(part);
        for number in 1.. {
            let target = self.folder.join(numbered(&name, number));
            if fs::read(&target).is_ok_and(|there| there == bytes) {
                return Ok(target);
            }
            let Some(file) = part.take() else { break };
            match file.persist_noclobber(&target) {
                Ok(_) => return Ok(target),
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => part = Some(error.file),
                Err(error) => return Err(failed(&target)(error.error)),
            }
        }
        Ok(self.folder.clone())
    }
}

/// The class that a name means: its own, or what its WordNet number means.
fn class(model: &ModelFile, name: &str) -> Result<usize, Failure> {
    let classes = &model.record.classes;
    let by_name = classes.iter().position(|class| class == name);
    let by_word = || classes.iter().position(|class| wordnet_name(class) == Some(name));
    by_name.or_else(by_word).ok_or_else(|| {
        Failure::Usage(format!(
            "{} tells no class {:?}; `mnasnet predict` without --heatmap-class shows the names",
            model.path.display(),
            visible_name(name)
        ))
    })
}
