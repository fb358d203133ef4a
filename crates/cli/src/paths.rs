//! Paths as people give them: what is wrong with one that is not there, the weights in a run's folder, and names of pretrained weights.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mnasnet_data::{Split, locate};
use mnasnet_model::error::nearest;
use mnasnet_train::folder::runs;
use mnasnet_weights::{FileError, hub};
use mnasnet_weights_file::WeightsError;
use mnasnet_weights_file::replace::remove_abandoned;
use tempfile::NamedTempFile;

use crate::console::shell_word;
use crate::failure::Failure;
use crate::pretrained;

/// Entries of a folder that are looked at for the one that was meant.
const MOST: usize = 10_000;

/// Why there is nothing at `path`, if there is nothing: completes "cannot read PATH: ...".
pub fn trouble(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    if text.contains("://") || text.starts_with("www.") {
        return Some("this is an address, and nothing is fetched from the net; download it, and give the file".into());
    }
    if let Some(why) = unexpanded(path) {
        return Some(why);
    }
    // Patterns are the sets' own.
    if path.exists() || text.contains(['{', '*', '?', '[']) || text.is_empty() {
        return None;
    }
    if text == "~" || text.starts_with("~/") {
        return Some("no such file or folder; a shell puts the home folder for ~ only outside of quotes".into());
    }
    if cfg!(unix) && matches!(text.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic()) {
        return Some("no such file or folder; this is a path of Windows, and this system has no drives".into());
    }
    let hint = meant(path).map_or(String::new(), |meant| format!(" (did you mean `{}`?)", meant.display()));
    Some(format!("no such file or folder{hint}"))
}

/// What there is to say of a pattern that the shell left as it is.
fn unexpanded(path: &Path) -> Option<String> {
    let is_pattern = |path: &Path| path.to_string_lossy().contains(['*', '?']);
    if path.exists() || !is_pattern(path) {
        return None;
    }
    let folder = path.ancestors().find(|folder| !is_pattern(folder))?;
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    Some(match folder.is_dir() {
        true => format!(
            "the shell did not expand this pattern (it is in quotes, or no name fits); name the folder, `{}`",
            folder.display()
        ),
        false => format!("no such file, and no such folder as {}", folder.display()),
    })
}

/// The path that was meant by one that is not there.
fn meant(path: &Path) -> Option<PathBuf> {
    let mut missing = path;
    let mut parent = missing.parent()?;
    while !(parent.as_os_str().is_empty() || parent.exists()) {
        missing = parent;
        parent = missing.parent()?;
    }
    let here = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    let wanted = missing.file_name()?.to_str()?;
    let entries = fs::read_dir(here).ok()?.take(MOST).flatten();
    let names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let (name, edits) = nearest(wanted, names.iter().map(String::as_str))?;
    // Two letters in five: folders are few, and `fotos` is `photos`.
    if 5 * edits > 2 * wanted.chars().count() {
        return None;
    }
    let found = parent.join(name);
    let rest = path
        .strip_prefix(missing)
        .ok()
        .filter(|rest| !rest.as_os_str().is_empty());
    let whole = rest.map(|rest| found.join(rest)).filter(|whole| whole.exists());
    Some(whole.unwrap_or(found))
}

/// Refuses a file or folder to be written whose name begins with the home folder's sign.
pub fn output(path: &Path) -> Result<(), Failure> {
    match path.starts_with("~") && !Path::new("~").exists() {
        false => Ok(()),
        true => Err(Failure::Usage(format!(
            "cannot write {}: a shell puts the home folder for ~ only outside of quotes and after a space; say \"$HOME/...\"",
            path.display()
        ))),
    }
}

/// Refuses a file, or a place in one, where a folder shall be: `what` goes to a folder.
pub fn folder(path: &Path, what: &str) -> Result<(), Failure> {
    let file = path.ancestors().find(|path| path.is_file());
    match file {
        None => Ok(()),
        Some(file) => Err(Failure::Usage(format!(
            "{} is a file, and {what}; say another",
            file.display()
        ))),
    }
}

/// A file in a folder that gets its name when it is whole, with the rights that any new file has.
pub fn part_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = part();
    builder.prefix(".mnasnet.").tempfile_in(folder)
}

/// The same for a file whose name is known, in a folder that is made where it is missing. Parts that killed writers of the file left go.
pub fn part_of(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    remove_abandoned(folder, &name)?;
    let mut builder = part();
    let prefix = format!(".{name}.{}", std::process::id());
    let part = builder.prefix(&prefix).rand_bytes(0).tempfile_in(folder)?;
    // Some network file systems have no locks; there parts of killed writers stay.
    let _ = part.as_file().lock();
    Ok(part)
}

fn part() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The system takes away what the user's mask says.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder
}

/// Refuses photos that are not there.
pub fn photos(path: &Path) -> Result<(), Failure> {
    match trouble(path) {
        None => Ok(()),
        Some(why) => Err(Failure::Photos(format!("cannot read {}: {why}", path.display()))),
    }
}

/// Refuses a run or a checkpoint that is not there.
pub fn run(path: &Path) -> Result<(), Failure> {
    match trouble(path)
        .or_else(|| folder_of_runs(path))
        .or_else(|| photos_in(path))
    {
        None => Ok(()),
        Some(why) => Err(unreadable(path, why)),
    }
}

/// What to say of a folder that has runs in it, and is none.
fn folder_of_runs(path: &Path) -> Option<String> {
    let newest = runs::newest(path).ok()?;
    let is_run = path.join("config.toml").is_file();
    (!is_run).then(|| {
        format!(
            "it is a folder of runs; give one of them, such as the newest, `{}`",
            newest.display()
        )
    })
}

/// What to say of a folder of photos that is given for a run.
fn photos_in(path: &Path) -> Option<String> {
    let is_run = path.join("config.toml").is_file();
    let holds_photos = || locate(path, Split::Train, None).is_ok();
    (!is_run && path.is_dir() && holds_photos()).then(|| {
        let word = shell_word(path);
        format!("it holds photos, and no run; `mnasnet train {word}` begins one")
    })
}

fn unreadable(path: &Path, why: String) -> Failure {
    Failure::from(WeightsError::from(FileError::Io {
        action: "read",
        path: path.to_owned(),
        source: io::Error::other(why),
    }))
}

/// The file of weights that a path means: the file itself, the best weights of a run's folder, those in a folder of Hugging Face's, or
/// pretrained weights of that name.
pub fn weights(path: &Path) -> Result<PathBuf, Failure> {
    let unreadable = |why| unreadable(path, why);
    if let Some(why) = trouble(path) {
        let found = pretrained::file(path)?;
        return found.ok_or_else(|| unreadable(hinted(path, why)));
    }
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    if let Some(file) = hub::weights_in(path) {
        return Ok(file);
    }
    if let Some(reason) = hub::stranger(path) {
        return Err(Failure::from(WeightsError::from(FileError::Format {
            path: path.to_owned(),
            reason: reason.into(),
        })));
    }
    let kept = runs::checkpoint_folder(path)?;
    let best = [path.join(kept), path.to_owned()].map(|folder| folder.join("best.safetensors"));
    let best = best.into_iter().find(|best| best.is_file());
    best.ok_or_else(|| {
        let runs = folder_of_runs(path).or_else(|| {
            let is_run = ["config.toml", "run.json"].iter().all(|name| path.join(name).is_file());
            is_run.then(|| {
                "this run has no weights yet, as its first epoch has not ended; wait, or where it was stopped say its `mnasnet train` again"
                    .to_owned()
            })
        });
        unreadable(runs.unwrap_or_else(|| {
            "it is a folder without weights: neither a run's (best.safetensors) nor Hugging Face's (model.safetensors, \
             pytorch_model.bin); give a file of weights"
                .into()
        }))
    })
}

/// Why there are no weights at `path`, with the pretrained ones that may be meant.
fn hinted(path: &Path, why: String) -> String {
    let text = path.to_string_lossy();
    match mnasnet_hub::near(&text) {
        Some(name) => format!("no such file or folder (did you mean `{name}`?)"),
        None if text.contains("://") => {
            "this is an address; download it, and give the file, or give a name such as `timm/mnasnet_100.rmsp_in1k`"
                .into()
        }
        None if is_name(path) && !why.contains("did you mean") => format!(
            "{why}, and no name of pretrained weights; there are those of MNASNet alone: {}",
            mnasnet_hub::list()
        ),
        None => why,
    }
}

/// Whether a path that is not there may be meant for a name, as no file of weights is called so.
fn is_name(path: &Path) -> bool {
    let is_there = |folder: &Path| !folder.as_os_str().is_empty() && folder.exists();
    path.extension().is_none() && !path.is_absolute() && !path.parent().is_some_and(is_there)
}
