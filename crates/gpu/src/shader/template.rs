//! The templates' language. `$NAME` stands for a constant. `#for v N` repeats the lines up to `#end` for `$v` from 0 to N - 1. Lines
//! between `#if NAME` and `#endif` stay where the kernel has that trait.

/// Fills a template in.
pub(crate) fn fill(text: &str, names: &[(&str, String)], traits: &[&str]) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in text.lines() {
        match line.strip_prefix("#if ") {
            Some(name) => is_kept = traits.contains(&name),
            None if line == "#endif" => is_kept = true,
            None if is_kept => {
                kept.push_str(line);
                kept.push('\n');
            }
            None => {}
        }
    }
    for (name, value) in names {
        kept = kept.replace(name, value);
    }
    unrolled(&kept)
}

/// Repeats what is to be repeated, from the outside in.
fn unrolled(text: &str) -> String {
    let mut all = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("#for ") else {
            all.push_str(line);
            all.push('\n');
            continue;
        };
        let (name, count) = head.split_once(' ').expect("`#for` has a name and a count");
        let count: usize = count.parse().expect("`#for` counts to a number");
        let mut depth = 1;
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|line| {
                depth += i32::from(line.starts_with("#for ")) - i32::from(*line == "#end");
                depth > 0
            })
            .collect();
        let body = body.join("\n");
        for i in 0..count {
            all.push_str(&unrolled(&body.replace(&format!("${name}"), &i.to_string())));
        }
    }
    all
}
