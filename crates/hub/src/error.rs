//! Why there are no weights by a name.

use std::io;
use std::path::PathBuf;

use crate::MOST_BYTES;
use crate::names::list;

/// Why a name gave no file of weights.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The table has no such name.
    #[error("no pretrained weights are called {name}{hint}; the names are {}", list())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The name that is like it, in words.
        hint: String,
    },
    /// timm has published no weights of this network.
    #[error("timm has the network {name} without weights; the names of weights are {}", list())]
    Untrained {
        /// What was asked for.
        name: String,
    },
    /// The network is not to be used.
    #[error(
        "{name} is not in {cache}, and {variable} forbids the network: unset {variable}, or download {url} elsewhere and give the file \
         instead of the name", cache = cache.display()
    )]
    Offline {
        /// The weights.
        name: String,
        /// The folder that was looked through.
        cache: PathBuf,
        /// The variable that forbids it.
        variable: &'static str,
        /// Where the file is.
        url: String,
    },
    /// A variable is no address.
    #[error("{variable} is `{value}`, which is no address of a server; say https://HOST")]
    Address {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// No answer.
    #[error("cannot fetch {url}: {why}; {}", by_hand(.url, .file))]
    Network {
        /// What was asked for.
        url: String,
        /// What went wrong.
        why: String,
        /// The file's address.
        file: String,
    },
    /// An answer that is no file.
    #[error("cannot fetch {url}: the server answers {status}{why}; {todo}")]
    Refused {
        /// What was asked for.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// The server's own words.
        why: String,
        /// What to do.
        todo: String,
    },
    /// An answer that no hub gives.
    #[error("cannot use what {url} answers: {why}; {}", by_hand(.url, .url))]
    Strange {
        /// What was asked for.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The file is too large for weights of this program.
    #[error("{url} has {bytes} bytes, and weights have at most {MOST_BYTES}; nothing was downloaded")]
    TooLarge {
        /// The file.
        url: String,
        /// Its size.
        bytes: u64,
    },
    /// The connection ended too early, several times.
    #[error("{url} ended after {have} of {bytes} bytes ({why}); the same command goes on from there")]
    CutShort {
        /// The file.
        url: String,
        /// Bytes that are here.
        have: u64,
        /// Bytes of the file.
        bytes: u64,
        /// What went wrong last.
        why: String,
    },
    /// Other bytes than those that were promised.
    #[error(
        "{url} is damaged: its SHA-256 begins with {found}, and not with {expected}; the download was removed, and the same command \
         begins it again"
    )]
    Checksum {
        /// The file.
        url: String,
        /// The promised digits.
        expected: String,
        /// As many digits of what came.
        found: String,
    },
    /// A cached file is not what the cache says.
    #[error("{path} is damaged: the SHA-256 of its bytes is not the one of its name; remove it, and the same command fetches it again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The cache cannot be used.
    #[error("cannot {action} {path}: {source}; choose another cache by {variable}", path = path.display())]
    Cache {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
        /// The variable that names the cache.
        variable: &'static str,
    },
}

/// What to do where no program can help: `asked` is an address that the message names, and `file` the file's own.
pub(crate) fn by_hand(asked: &str, file: &str) -> String {
    let what = if asked == file { "it" } else { file };
    format!("download {what} by hand, and give the file instead of the name")
}
