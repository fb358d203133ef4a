//! Networks as files: a variant in TOML, a row a block.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use mnasnet_model::{ModelError, Variant};

/// Largest file: a hundred times the longest network's.
const MAX_BYTES: u64 = 1 << 20;
/// Characters of the parser's message that are told.
const MAX_MESSAGE: usize = 300;

/// Why a file yields no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFileError {
    /// The file cannot be read.
    #[error("{path}: cannot read the network: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is no network's.
    #[error("{path}: is no network's file: {reason}", path = .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The network cannot be.
    #[error("{path}: {source}", path = .path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// Which row, and why.
        source: ModelError,
    },
    /// No network has this name.
    #[error(transparent)]
    Name(#[from] ModelError),
}

/// Whether `text` means a file, and no name.
pub fn is_path(text: &str) -> bool {
    text.ends_with(".toml")
}

/// The network of a name, or of a file whose path ends in `.toml`.
///
/// # Errors
/// An unknown name; a file that cannot be read or holds no possible network.
pub fn variant(text: &str) -> Result<Variant, NetworkFileError> {
    match is_path(text) {
        true => read(Path::new(text)),
        false => Ok(Variant::by_name(text)?.clone()),
    }
}

/// Reads a network.
///
/// # Errors
/// As [`variant`].
pub fn read(path: &Path) -> Result<Variant, NetworkFileError> {
    let form = |reason: String| NetworkFileError::Form {
        path: path.to_owned(),
        reason,
    };
    // Nobody waits for one that writes to a pipe.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(form("it is no regular file".into()));
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    read.map_err(|source| NetworkFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    if text.len() as u64 > MAX_BYTES {
        return Err(form(format!("it has more than {} KiB", MAX_BYTES >> 10)));
    }
    let variant: Variant = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count());
        // A line, and what it holds, can be as long as the file.
        let message: String = error.message().chars().take(MAX_MESSAGE).collect();
        form(format!("line {}: {message}", line + 1))
    })?;
    let network = |source| NetworkFileError::Network {
        path: path.to_owned(),
        source,
    };
    // JSON has no numbers that are not finite.
    variant.check().map_err(network)?;
    // The same checks as for rows from a file of weights.
    Variant::from_text(&serde_json::to_string(&variant).map_err(|error| form(error.to_string()))?).map_err(network)
}

/// The number with the same decimal digits.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// A network as the text of a file, a line a block.
pub fn text(variant: &Variant) -> Result<String, toml::ser::Error> {
    let mut table = toml::Table::try_from(variant)?;
    let blocks = table.remove("blocks");
    for value in table.iter_mut().map(|(_, value)| value) {
        if let toml::Value::Float(number) = value {
            *number = decimal(*number as f32);
        }
    }
    let mut text = format!(
        "# A network of MNASNet's kind. Blocks of a stage lie together; channels are those of width 1.\n{table}\nblocks = [\n"
    );
    for block in blocks.as_ref().and_then(toml::Value::as_array).into_iter().flatten() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {block},");
    }
    Ok(text + "]\n")
}
