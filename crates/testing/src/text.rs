//! Comparisons of texts. What fails shows lines that differ, not all that was printed.

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 2;

/// Two texts must be the same.
#[track_caller]
pub fn same(found: &str, expected: &str) {
    if found != expected {
        panic!("{}", difference(found, expected));
    }
}

/// A text must hold a part.
#[track_caller]
pub fn holds(text: &str, part: &str) {
    if !text.contains(part) {
        panic!("{}", absence(text, part));
    }
}

/// A text must begin with a part.
#[track_caller]
pub fn begins(text: &str, part: &str) {
    if !text.starts_with(part) {
        let end = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let start = end.take_while(|&at| at <= part.len()).last().unwrap_or(0);
        panic!("{}", difference(&text[..start], part));
    }
}

/// The lines in which texts differ, after `-` those that were expected and after `+` those that were found.
pub fn difference(found: &str, expected: &str) -> String {
    let (found, expected): (Vec<&str>, Vec<&str>) = (found.split('\n').collect(), expected.split('\n').collect());
    // Length of the longest common sequence of lines of the texts' ends, from each pair of lines on.
    let mut common = vec![vec![0; found.len() + 1]; expected.len() + 1];
    for e in (0..expected.len()).rev() {
        for f in (0..found.len()).rev() {
            common[e][f] = match expected[e] == found[f] {
                true => common[e + 1][f + 1] + 1,
                false => common[e + 1][f].max(common[e][f + 1]),
            };
        }
    }
    let (mut e, mut f) = (0, 0);
    let mut lines = Vec::new();
    while e < expected.len() || f < found.len() {
        if e < expected.len() && f < found.len() && expected[e] == found[f] {
            lines.push((' ', expected[e]));
            (e, f) = (e + 1, f + 1);
        } else if f == found.len() || e < expected.len() && common[e + 1][f] >= common[e][f + 1] {
            lines.push(('-', expected[e]));
            e += 1;
        } else {
            lines.push(('+', found[f]));
            f += 1;
        }
    }
    let near = |at: usize| {
        let around = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(lines.len());
        lines[around].iter().any(|line| line.0 != ' ')
    };
    let mut told = String::from("the texts differ (- expected, + found):\n");
    let mut skipped = false;
    for (at, (mark, line)) in lines.iter().enumerate() {
        match near(at) {
            true => told += &format!("{mark} {line}\n"),
            false if !skipped => told += "  …\n",
            false => {}
        }
        skipped = !near(at);
    }
    told
}

/// What a text holds in place of a part: the line that shares most words with it.
fn absence(text: &str, part: &str) -> String {
    let words: Vec<&str> = part.split_whitespace().collect();
    let shared = |line: &str| words.iter().filter(|word| line.contains(**word)).count();
    let lines = text.lines().count();
    match text.lines().max_by_key(|line| shared(line)) {
        Some(nearest) => format!("not in the text:\n- {part}\nnearest of its {lines} lines:\n+ {nearest}\n"),
        None => format!("not in the text, which is empty:\n- {part}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_lines_with_what_is_around_them() {
        let numbers = |changed: &str| {
            let lines = (1..=9).map(|n| if n == 5 { changed.to_owned() } else { n.to_string() });
            lines.collect::<Vec<_>>().join("\n")
        };
        let told = "the texts differ (- expected, + found):\n  …\n  3\n  4\n- 5\n+ five\n  6\n  7\n  …\n";
        assert_eq!(difference(&numbers("five"), &numbers("5")), told);
    }

    #[test]
    fn lines_that_are_missing_or_more_are_marked() {
        assert_eq!(
            difference("b\nc\nd", "a\nb\nc"),
            "the texts differ (- expected, + found):\n- a\n  b\n  c\n+ d\n"
        );
    }

    #[test]
    fn an_absence_shows_the_nearest_line() {
        let text = "note: all is well\nerror: cannot read photos: no such file\nnote: the end";
        assert_eq!(
            absence(text, "cannot read pictures: no such file"),
            "not in the text:\n- cannot read pictures: no such file\nnearest of its 3 lines:\n+ error: cannot read photos: no such file\n"
        );
    }
}
