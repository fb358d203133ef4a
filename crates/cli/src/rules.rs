//! `eval --rules`: how ImageNet's other validation sets are judged.

use std::fs;
use std::path::Path;

use mnasnet_data::{Dataset, IMAGENET_A, IMAGENET_R, imagenet_classes};

use crate::args::Rules;
use crate::console::{note, shell_word, visible_name};
use crate::failure::Failure;
use crate::model_file::ModelFile;

/// The most bytes of ReaL's labels: ten times the file.
const MOST: u64 = 10 << 20;

/// What ImageNet's validation photos are called: this, a number from 1, an ending.
const NAME: &str = "ILSVRC2012_val_";

/// Rules for a model of ImageNet's classes.
pub struct By {
    rules: Rules,
    /// ImageNet's thousand classes, in the order that everybody numbers them.
    imagenet: Vec<String>,
}

impl By {
    /// Rules for a model, which tells the classes of these rules alone from now on.
    pub fn new(rules: Rules, model: &mut ModelFile) -> Result<Self, Failure> {
        let imagenet = imagenet_classes();
        let record = &mut model.record;
        if record.is_numbered() && record.classes.len() == imagenet.len() {
            note(&format!(
                "{} numbers its classes; they are taken as ImageNet's, in the usual order",
                model.path.display()
            ));
            record.classes.clone_from(&imagenet);
        }
        let list: Vec<usize> = match rules {
            Rules::A => IMAGENET_A.map(usize::from).into(),
            Rules::R => IMAGENET_R.map(usize::from).into(),
            Rules::Real | Rules::V2 | Rules::Sketch => (0..imagenet.len()).collect(),
        };
        let place = |class: &usize| {
            let name = &imagenet[*class];
            record.classes.iter().position(|known| known == name).ok_or_else(|| {
                let path = model.path.display();
                Failure::Photos(format!(
                    "{path} tells no class {name}, and these rules are for ImageNet's {} classes by their WordNet numbers; give weights \
                     of ImageNet, and name their classes by `mnasnet convert {} NAMED.safetensors --class-list FILE` where they have \
                     other names",
                    list.len(),
                    shell_word(&model.path)
                ))
            })
        };
        let places = list.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        if list.len() < record.classes.len() {
            record.classes = list.iter().map(|class| imagenet[*class].clone()).collect();
            model.chosen = Some(places);
        }
        Ok(Self { rules, imagenet })
    }

    /// Gives V2's folders, which are named by the places of the classes, the classes' names.
    pub fn rename(&self, dataset: &mut Dataset) -> Result<(), Failure> {
        let is_class = |name: &String| self.imagenet.contains(name);
        if self.rules != Rules::V2 || dataset.classes.iter().all(is_class) {
            return Ok(());
        }
        let name = |folder: &String| {
            let place = folder.parse::<usize>().ok();
            place
                .and_then(|place| self.imagenet.get(place))
                .cloned()
                .ok_or_else(|| {
                    Failure::Photos(format!(
                        "{} has a class {:?}, and ImageNetV2's are named 0 to {}; name the folder that holds those",
                        dataset.root.display(),
                        visible_name(folder),
                        self.imagenet.len() - 1
                    ))
                })
        };
        dataset.classes = dataset.classes.iter().map(name).collect::<Result<_, _>>()?;
        dataset.numbered = false;
        Ok(())
    }

    /// ReaL's labels of a set's photos as the model's classes, where they are asked for; photos without one leave the set.
    pub fn answers(
        &self,
        model: &ModelFile,
        labels: &Path,
        dataset: &mut Dataset,
    ) -> Result<Option<Vec<Vec<u32>>>, Failure> {
        if self.rules != Rules::Real {
            return Err(Failure::Usage(
                "--real-labels goes with --rules real; leave it out, or say those".into(),
            ));
        }
        let listed = real(labels, self.imagenet.len())?;
        let known = &model.record.classes;
        let place = |class: &usize| known.iter().position(|name| *name == self.imagenet[*class]);
        // A model of more classes than the thousand has them at other places.
        let places: Vec<u32> = (0..self.imagenet.len())
            .filter_map(|class| place(&class))
            .map(|at| at as u32)
            .collect();
        let (mut samples, mut answers) = (Vec::new(), Vec::new());
        for (index, sample) in (0..).zip(&dataset.samples) {
            let name = dataset.name(index);
            let right = number(&name).and_then(|number| listed.get(number.checked_sub(1)?)).ok_or_else(|| {
                Failure::Photos(format!(
                    "{} is none of ImageNet's validation photos, which --rules real tells by their names, {NAME}00000001.JPEG to \
                     {NAME}{:08}.JPEG; give those",
                    name.display(),
                    listed.len()
                ))
            })?;
            if !right.is_empty() {
                samples.push(*sample);
                answers.push(
                    right
                        .iter()
                        .filter_map(|class| places.get(*class as usize).copied())
                        .collect(),
                );
            }
        }
        let (all, left) = (dataset.samples.len(), samples.len());
        if samples.is_empty() {
            return Err(Failure::Photos(format!(
                "{} has a label for none of the {all} photos of {}; give the photos that it is of",
                labels.display(),
                dataset.root.display()
            )));
        }
        note(&format!(
            "{left} of {all} photos have a label of ReaL; the others do not count"
        ));
        dataset.samples = samples;
        Ok(Some(answers))
    }
}

/// The number in the name of one of ImageNet's validation photos.
fn number(name: &Path) -> Option<usize> {
    let name = name.file_name()?.to_str()?;
    let digits = &name[name.find(NAME)? + NAME.len()..];
    let end = digits
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// Reads ReaL's labels: a list for each photo, in the order of the photos' numbers.
fn real(path: &Path, classes: usize) -> Result<Vec<Vec<u32>>, Failure> {
    let refused = |reason: &str| Failure::Photos(format!("cannot read ReaL's labels of {}: {reason}", path.display()));
    let length = fs::metadata(path).map_err(|error| refused(&error.to_string()))?.len();
    if length > MOST {
        return Err(refused(&format!(
            "it has {length} bytes, and real.json has less than {MOST}; give that file"
        )));
    }
    let bytes = fs::read(path).map_err(|error| refused(&error.to_string()))?;
    let labels: Vec<Vec<u32>> = serde_json::from_slice(&bytes).map_err(|error| {
        refused(&format!(
            "it is no list of lists of classes ({error}); give real.json as it was published"
        ))
    })?;
    match labels.iter().flatten().find(|class| **class as usize >= classes) {
        None => Ok(labels),
        Some(class) => Err(refused(&format!(
            "it has class {class}, and there are {classes}; give real.json as it was published"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_told_by_their_names() {
        for (name, expected) in [
            ("val/n01440764/ILSVRC2012_val_00000293.JPEG", Some(293)),
            ("x.tar/ILSVRC2012_val_00050000.JPEG", Some(50_000)),
            ("ILSVRC2012_val_00000007_n01440764.JPEG", Some(7)),
            ("ILSVRC2012_val_.JPEG", None),
            ("ILSVRC2012_val_é.JPEG", None),
            ("n01440764_10026.JPEG", None),
            ("", None),
        ] {
            assert_eq!(number(Path::new(name)), expected, "{name}");
        }
    }
}
