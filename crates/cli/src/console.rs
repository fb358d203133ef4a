//! The one place that writes to standard output and standard error.
//!
//! Names of files and classes are a stranger's: their control characters could rewrite what a terminal shows, so they are
//! printed escaped, in the one form that JSON and TOML read back.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::ranks::another_tells;

/// Prints a text and a line end on standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", visible(text))
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::Io("write to standard output", error),
        })
}

/// Prints a value as one line of JSON on standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string(value).map_err(|error| Failure::Io("write JSON", error.into()))?)
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
            tell(&format!("error: {whose}{failure}"));
            failure.to_string()
        }
    };
    let exit = failure.exit();
    if json && exit != Exit::Success {
        print_error(&told);
    }
    exit
}

/// Tells the user something on standard error. There is nobody left to tell if that cannot be written.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// Tells the user what is worth knowing; of several ranks, all of which know it, the first one does.
pub fn note(text: &str) {
    if !another_tells() {
        tell(&format!("note: {text}"));
    }
}

/// A text of lines with its other control characters escaped.
pub fn visible(text: &str) -> String {
    escaped(text, |c| c.is_control() && c != '\n')
}

/// A name on one line, its control characters escaped.
pub fn visible_name(name: &str) -> String {
    escaped(name, char::is_control)
}

fn escaped(text: &str, which: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if which(c) {
            // Writing to a String cannot fail. Control characters have four digits at most.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// One word of a shell's command line that stands for `text`.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // Quotes of POSIX 2024, and long before of every usual shell: control characters would not reach the screen as such.
    let mut word = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => word.extend(['\\', c]),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(word, "\\{byte:03o}");
                }
            }
            c => word.push(c),
        }
    }
    word + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_of_all_scripts_are_not() {
        for (text, expected) in [
            ("a\u{1b}[2Jb\u{7f}\u{9b}\n", "a\\u001b[2Jb\\u007f\\u009b\n"),
            ("Bär/犬 \"x\" \\", "Bär/犬 \"x\" \\"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert_eq!(visible_name("a\nb\tc"), "a\\u000ab\\u0009c");
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
        ] {
            assert_eq!(shell_word(text), word);
            let output = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {word}")])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
