//! Patterns that stand for several files.

/// Expands one `{a..b}` or `{a,b,c}` after the other, as shells do: `train-{000..146}.tar`. `None` where the braces do not
/// match or stand for more than a million names.
pub(super) fn expand_braces(pattern: &str) -> Option<Vec<String>> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let close = open + rest[open..].find('}')?;
        let inside = &rest[open + 1..close];
        let choices: Vec<String> = match inside.split_once("..") {
            Some((from, to)) => {
                let width = if from.len() == to.len() { from.len() } else { 0 };
                let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
                if to < from || to - from >= 1_000_000 {
                    return None;
                }
                (from..=to).map(|number| format!("{number:0width$}")).collect()
            }
            None => inside.split(',').map(str::to_owned).collect(),
        };
        if names.len().saturating_mul(choices.len()) > 1_000_000 {
            return None;
        }
        let before = &rest[..open];
        names = names
            .iter()
            .flat_map(|name| choices.iter().map(move |choice| format!("{name}{before}{choice}")))
            .collect();
        rest = &rest[close + 1..];
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces() {
        for (pattern, expected) in [
            ("a-{08..10}.tar", Some(vec!["a-08.tar", "a-09.tar", "a-10.tar"])),
            ("{a,b}/{1..2}", Some(vec!["a/1", "a/2", "b/1", "b/2"])),
            ("{9..10}", Some(vec!["9", "10"])),
            ("plain", Some(vec!["plain"])),
            ("{1..", None),
            ("{2..1}", None),
            ("{0..9999999}", None),
        ] {
            let expected = expected.map(|names| names.into_iter().map(String::from).collect::<Vec<_>>());
            assert_eq!(expand_braces(pattern), expected, "{pattern}");
        }
    }
}
