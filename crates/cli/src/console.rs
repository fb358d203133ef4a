//! The one place that writes to standard output and standard error.
//!
//! Names of files and classes are a stranger's: their hidden characters could rewrite what a terminal shows, so they are printed
//! escaped, in a form that JSON or TOML reads back.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

use ::console::Term;
use mnasnet_group::Launched;
use serde::{Serialize, Serializer};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::failure::{Exit, Failure};
use crate::refusal::as_typed;

/// How much is told beside results and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// Nothing.
    Quiet,
    /// What a person wants to know.
    Usual,
    /// A line a step too.
    Verbose,
}

/// Said once, at the start.
static VOLUME: OnceLock<Volume> = OnceLock::new();

/// Sets how much is told.
pub fn set_volume(volume: Volume) {
    // The first word counts; there is one command line.
    let _ = VOLUME.set(volume);
}

/// How much is told.
pub fn volume() -> Volume {
    *VOLUME.get().unwrap_or(&Volume::Usual)
}

/// Prints a text and a line end on standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    print_line(&visible(text))
}

/// Prints sentences and a line end on standard output, in lines that fit where that is a terminal.
pub fn print_sentences(text: &str) -> Result<(), Failure> {
    print(&in_lines(text, columns(&Term::stdout())))
}

/// Prints a value as one line of JSON on standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string(value).map_err(|error| Failure::Io("write JSON", error.into()))?;
    // A character is one or two of JSON's escapes.
    print_line(&escaped(&json, is_hidden, |c, text| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }))
}

fn print_line(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::Io("write to standard output", error),
        })
}

/// Prints `{"error": MESSAGE}` on standard output, for those who read JSON there. The error itself ends the program.
fn print_error(message: &str) {
    let _ = print_json(&serde_json::json!({ "error": message }));
}

/// Tells why the program, or the rank of it that `whose` names, fails. Returns the exit code.
pub fn failed(failure: &Failure, whose: &str, json: bool) -> Exit {
    let told = match failure {
        Failure::CommandLine(error) => {
            // What it has to say is on its way; nobody is left to tell if that fails.
            let _ = error.print();
            let text = error.to_string();
            text.lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned()
        }
        _ => {
            let text = plainly(&as_typed(&failure.to_string()));
            tell_sentences(&format!("error: {whose}{text}"));
            text
        }
    };
    let exit = failure.exit();
    if json && exit != Exit::Success {
        print_error(&told);
    }
    exit
}

/// What the system says of files, and what we say.
const SYSTEMS: &[(&str, &str)] = &[
    ("No such file or directory (os error 2)", "no such file or folder"),
    ("Permission denied (os error 13)", "this user may not"),
    ("File exists (os error 17)", "a file of that name is in the way"),
    (
        "Not a directory (os error 20)",
        "a part of the path is a file, and no folder",
    ),
    ("Is a directory (os error 21)", "it is a folder"),
    ("Read-only file system (os error 30)", "nothing can be written there"),
];

/// A sentence without the system's words for what is usual.
pub fn plainly(text: &str) -> String {
    let writes = ["cannot write", "cannot make", "cannot create"]
        .iter()
        .any(|verb| text.contains(verb));
    SYSTEMS
        .iter()
        .enumerate()
        .fold(text.to_owned(), |text, (at, (theirs, ours))| match (at, writes) {
            // Nobody looks for a file that shall be written.
            (0, true) => text.replace(theirs, "nothing can be made there"),
            _ => text.replace(theirs, ours),
        })
}

/// Tells the user something on standard error. There is nobody left to tell if that cannot be written.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// Tells the user what is worth knowing; of several ranks, all of which know it, the first one does.
pub fn note(text: &str) {
    if !another_tells() && volume() != Volume::Quiet {
        tell_sentences(&format!("note: {text}"));
    }
}

/// Tells sentences, in lines that fit where standard error is a terminal.
pub fn tell_sentences(text: &str) {
    tell(&in_lines(text, columns(&Term::stderr())));
}

/// The width of a terminal; `None` for what is none, such as a pipe, where a sentence is a line.
pub fn columns(terminal: &Term) -> Option<usize> {
    let (_, columns) = terminal.size_checked().filter(|_| terminal.is_term())?;
    Some(columns.into())
}

/// A text in lines of at most so many columns, each further than the line that it goes on with. What stands in backticks stays
/// whole, to be copied.
pub fn in_lines(text: &str, columns: Option<usize>) -> String {
    match columns {
        None => text.to_owned(),
        Some(columns) => {
            let lines: Vec<String> = text.split('\n').map(|line| broken(line, columns)).collect();
            lines.join("\n")
        }
    }
}

fn broken(line: &str, columns: usize) -> String {
    let indent = 2 + line.chars().take_while(|c| *c == ' ').count();
    let (mut lines, mut length, mut quoted) = (String::new(), 0, false);
    for (at, word) in line.split(' ').enumerate() {
        let letters = word.chars().count();
        if at >= indent - 1 && !quoted && length + 1 + letters > columns {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            length = indent;
        } else if at > 0 {
            lines.push(' ');
            length += 1;
        }
        lines += word;
        length += letters;
        quoted ^= word.matches('`').count() % 2 == 1;
    }
    lines
}

/// Whether rank 0 tells what all ranks find alike.
fn another_tells() -> bool {
    Launched::detect().is_some_and(|launched| launched.is_mpis && launched.rank > 0)
}

/// A text of lines with its other hidden characters escaped.
pub fn visible(text: &str) -> String {
    escaped(text, |c| is_hidden(c) && c != '\n', in_text)
}

/// A name on one line, its hidden characters escaped.
pub fn visible_name(name: &str) -> String {
    escaped(name, is_hidden, in_text)
}

/// Whether a character shows nothing of its own: controls, formats (which turn the direction of the text around them, or join names
/// that look alike), ends of lines and paragraphs, and what Unicode has given no meaning.
pub fn is_hidden(c: char) -> bool {
    use GeneralCategory::{LineSeparator, ParagraphSeparator};
    c.general_category_group() == GeneralCategoryGroup::Other
        || matches!(c.general_category(), LineSeparator | ParagraphSeparator)
}

/// As TOML escapes it.
fn in_text(c: char, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = match u32::from(c) {
        c @ 0..=0xffff => write!(text, "\\u{c:04x}"),
        c => write!(text, "\\U{c:08x}"),
    };
}

fn escaped(text: &str, which: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match which(c) {
            true => escape(c, &mut escaped),
            false => escaped.push(c),
        }
    }
    escaped
}

/// A path for JSON, which cannot hold every byte of one: those that are no UTF-8 become U+FFFD.
pub fn json_path<S: Serializer>(path: impl AsRef<Path>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.as_ref().to_string_lossy())
}

/// The same of a path that may not be there.
pub fn json_paths<S: Serializer>(path: &Option<impl AsRef<Path>>, to: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => json_path(path, to),
        None => to.serialize_none(),
    }
}

/// One word of a shell's command line that stands for `text`.
pub fn shell_word(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref();
    let plain = |c: char| c.is_alphanumeric() || "-_./+,:@%=".contains(c);
    match text.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => return text.to_owned(),
        Some(text) if !text.chars().any(is_hidden) => return format!("'{}'", text.replace('\'', r"'\''")),
        _ => {}
    }
    // Quotes of POSIX 2024, and long before of every usual shell: hidden characters would not reach the screen as such.
    let mut word = String::from("$'");
    for chunk in text.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '\\' => word.extend(['\\', c]),
                c if is_hidden(c) => octal(&mut word, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => word.push(c),
            }
        }
        octal(&mut word, chunk.invalid());
    }
    word + "'"
}

fn octal(word: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(word, "\\{byte:03o}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_letters_of_all_scripts_are_not() {
        for (text, expected) in [
            ("a\u{1b}[2Jb\u{7f}\u{9b}\n", "a\\u001b[2Jb\\u007f\\u009b\n"),
            ("Bär/犬 \"x\" \\", "Bär/犬 \"x\" \\"),
            // Combining marks, an ideographic space, a picture; a right-to-left word.
            ("e\u{301} ก็ हिन्दी\u{3000}🐕 שלום", "e\u{301} ก็ हिन्दी\u{3000}🐕 שלום"),
            // Directions, a zero width, a soft hyphen, ends of line and paragraph, a byte order mark.
            (
                "\u{202e}\u{2066}\u{200b}\u{ad}\u{2028}\u{2029}\u{feff}",
                "\\u202e\\u2066\\u200b\\u00ad\\u2028\\u2029\\ufeff",
            ),
            // A tag, private use, no character.
            (
                "\u{e0041}\u{e000}\u{378}\u{10ffff}",
                "\\U000e0041\\ue000\\u0378\\U0010ffff",
            ),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(visible_name("a\nb\tc"), "a\\u000ab\\u0009c");
    }

    #[test]
    fn sentences_fit_a_terminal_and_commands_stay_whole() {
        let text = "note: the run in a is done; `mnasnet train --resume a` goes on with it";
        for (columns, expected) in [
            (None, text),
            (
                Some(30),
                "note: the run in a is done;\n  `mnasnet train --resume a`\n  goes on with it",
            ),
            (Some(80), text),
            (
                Some(10),
                "note: the\n  run in a\n  is done;\n  `mnasnet train --resume a`\n  goes on\n  with it",
            ),
        ] {
            assert_eq!(in_lines(text, columns), expected);
        }
        let list = "  notes: 1\n    the first one is long\nclean";
        let broken = "  notes: 1\n    the first one\n      is long\nclean";
        assert_eq!(in_lines(list, Some(19)), broken);
    }

    #[test]
    fn the_systems_words_are_told_in_ours() {
        for (text, expected) in [
            (
                "cannot read a: No such file or directory (os error 2)",
                "cannot read a: no such file or folder",
            ),
            (
                "cannot write /proc/x: No such file or directory (os error 2)",
                "cannot write /proc/x: nothing can be made there",
            ),
            (
                "cannot read a: Is a directory (os error 21)",
                "cannot read a: it is a folder",
            ),
            (
                "cannot write a: No space left on device (os error 28)",
                "cannot write a: No space left on device (os error 28)",
            ),
        ] {
            assert_eq!(plainly(text), expected);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_reads_the_word_back() {
        for (text, word) in [
            ("runs/m-1", "runs/m-1"),
            ("my photos", "'my photos'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
            ("$(x) `y` \"z\" \\", "'$(x) `y` \"z\" \\'"),
            ("", "''"),
            ("a\nb\u{1b}'\\\u{9b}", r"$'a\012b\033\'\\\302\233'"),
            ("a\u{202e}b", r"$'a\342\200\256b'"),
        ] {
            assert_eq!(shell_word(text), word);
            let output = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {word}")])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        let bytes = b"ph\xf6tos/\xff'x";
        let word = shell_word(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes));
        assert_eq!(word, r"$'ph\366tos/\377\'x'");
        let mut shell = std::process::Command::new("bash");
        let output = shell.args(["-c", &format!("printf %s {word}")]).output().unwrap();
        assert_eq!(output.stdout, bytes);
    }
}
