//! `predict --watch`: photos that appear in folders.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use mnasnet_data::images_below;

use crate::console::note;
use crate::failure::{Exit, Failure};
use crate::paths;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Length and time of a file: what changes while a file is written.
type State = (u64, Option<SystemTime>);

/// Refuses what cannot be watched. Nothing is predicted yet.
pub fn folders(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    for path in arguments {
        paths::photos(path)?;
        if !path.is_dir() {
            return Err(Failure::Usage(format!(
                "--watch looks at folders, and {} is none; leave --watch out, or name a folder",
                path.display()
            )));
        }
    }
    Ok(Vec::new())
}

/// Predicts photos as they come, no more than `batch` at a time, until the program is ended. A photo is taken once it is the same at two
/// looks, so that none is read while it is written, and again where it has changed. A folder that cannot be listed is looked at again.
pub fn run(
    folders: &[PathBuf],
    batch: usize,
    mut predict: impl FnMut(&[PathBuf]) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    note("photos are predicted as they come; Ctrl-C ends");
    let mut watch = Watch::default();
    loop {
        for paths in watch.look(folders).chunks(batch) {
            predict(paths)?;
        }
        sleep(LOOK);
    }
}

/// What was there at the last look.
#[derive(Default)]
struct Watch {
    /// With whether it was taken.
    seen: HashMap<PathBuf, (State, bool)>,
    /// The last complaint about each folder.
    troubles: HashMap<PathBuf, String>,
}

impl Watch {
    /// The photos that are ready now, in the order of their names.
    fn look(&mut self, folders: &[PathBuf]) -> Vec<PathBuf> {
        let (mut now, mut ready) = (HashMap::new(), Vec::new());
        for folder in folders {
            let listed = match images_below(folder) {
                Ok((images, _)) => images,
                Err(error) => {
                    let trouble = error.to_string();
                    if self.troubles.get(folder) != Some(&trouble) {
                        note(&trouble);
                        self.troubles.insert(folder.clone(), trouble);
                    }
                    // What was taken is not taken again when the folder comes back.
                    let known = self.seen.iter().filter(|(path, _)| path.starts_with(folder));
                    now.extend(known.map(|(path, state)| (path.clone(), *state)));
                    continue;
                }
            };
            self.troubles.remove(folder);
            for path in listed {
                let Some(state) = state(&path) else { continue };
                let is_taken = match self.seen.get(&path) {
                    Some((before, true)) if *before == state => true,
                    Some((before, false)) if *before == state => {
                        ready.push(path.clone());
                        true
                    }
                    _ => false,
                };
                now.insert(path, (state, is_taken));
            }
        }
        self.seen = now;
        ready
    }
}

fn state(path: &Path) -> Option<State> {
    let there = fs::metadata(path).ok()?;
    Some((there.len(), there.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_taken_when_it_is_whole_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned()];
        let photo = folder.path().join("a.png");
        let mut watch = Watch::default();
        let mut look = || watch.look(&folders);
        assert!(look().is_empty());
        let whole = b"\x89PNG\r\n\x1a\n and more";
        fs::write(&photo, &whole[..9]).unwrap();
        assert!(look().is_empty());
        fs::write(&photo, whole).unwrap();
        assert!(look().is_empty());
        assert_eq!(look(), std::slice::from_ref(&photo));
        assert!(look().is_empty());
        // Written again, with another length: taken again.
        fs::write(&photo, &whole[..12]).unwrap();
        assert!(look().is_empty());
        assert_eq!(look(), std::slice::from_ref(&photo));
        // The folder goes and comes back as it was.
        let aside = folder.path().with_extension("aside");
        fs::rename(folder.path(), &aside).unwrap();
        assert!(look().is_empty());
        fs::rename(&aside, folder.path()).unwrap();
        assert!(look().is_empty() && look().is_empty());
    }
}
