//! The table of names: every MNASNet of timm 1.0.31 and torchvision 0.29.2 that has published weights.

use mnasnet_model::error::nearest;

use crate::HubError;

/// Published weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pretrained {
    /// The full name, `PROJECT/NAME`.
    pub name: &'static str,
    /// Other names that the project knows the weights by.
    pub also: &'static [&'static str],
    /// Where they lie.
    pub at: At,
}

/// Where weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// In a repository of Hugging Face's hub.
    Hub {
        /// `OWNER/NAME`.
        repository: &'static str,
    },
    /// Among PyTorch's downloads.
    Torch {
        /// The file's name, which ends in the first digits of the file's SHA-256.
        file: &'static str,
    },
}

const fn timm(name: &'static str, also: &'static [&'static str]) -> Pretrained {
    Pretrained {
        name,
        also,
        at: At::Hub { repository: name },
    }
}

const fn torchvision(name: &'static str, file: &'static str) -> Pretrained {
    Pretrained {
        name,
        also: &[],
        at: At::Torch { file },
    }
}

/// The weights that have names.
pub const PRETRAINED: &[Pretrained] = &[
    timm("timm/mnasnet_100.rmsp_in1k", &["timm/mnasnet_100", "timm/mnasnet_b1"]),
    timm("timm/mnasnet_small.lamb_in1k", &["timm/mnasnet_small"]),
    timm("timm/semnasnet_075.rmsp_in1k", &["timm/semnasnet_075"]),
    timm(
        "timm/semnasnet_100.rmsp_in1k",
        &["timm/semnasnet_100", "timm/mnasnet_a1"],
    ),
    torchvision("torchvision/mnasnet0_5", "mnasnet0.5_top1_67.823-3ffadce67e.pth"),
    torchvision("torchvision/mnasnet0_75", "mnasnet0_75-7090bc5f.pth"),
    torchvision("torchvision/mnasnet1_0", "mnasnet1.0_top1_73.512-f206786ef8.pth"),
    torchvision("torchvision/mnasnet1_3", "mnasnet1_3-a4c69d6f.pth"),
];

/// Networks that timm has without weights.
const UNTRAINED: &[&str] = &[
    "timm/mnasnet_050",
    "timm/mnasnet_075",
    "timm/mnasnet_140",
    "timm/semnasnet_050",
    "timm/semnasnet_140",
];

/// What people write before a name: timm's way, the hub's way, and the address of the repository's page.
const PREFIXES: &[&str] = &["hf-hub:", "hf_hub:", "hf://", "https://huggingface.co/"];

/// The weights that a text names, or `None` where it is no name of that kind.
///
/// # Errors
/// A name of timm or torchvision that is not in the table.
pub fn find(text: &str) -> Result<Option<&'static Pretrained>, HubError> {
    let bare = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
    let name = bare.unwrap_or(text).trim_end_matches('/');
    let named = |row: &&Pretrained| row.name == name || row.also.contains(&name);
    if let Some(row) = PRETRAINED.iter().find(named) {
        return Ok(Some(row));
    }
    if bare.is_none()
        && !["timm/", "torchvision/"]
            .iter()
            .any(|project| name.starts_with(project))
    {
        return Ok(None);
    }
    let untrained = name.strip_suffix(".untrained").unwrap_or(name);
    if UNTRAINED.contains(&untrained) {
        return Err(HubError::Untrained { name: name.to_owned() });
    }
    let all = PRETRAINED.iter().flat_map(|row| [&[row.name], row.also].concat());
    let like = nearest(name, all).filter(|(_, edits)| 3 * edits <= name.len());
    Err(HubError::Unknown {
        name: name.to_owned(),
        hint: like.map_or(String::new(), |(like, _)| format!(" (did you mean `{like}`?)")),
    })
}

/// The full name that ends in a text without a project before it: of `mnasnet1_0`, `torchvision/mnasnet1_0`.
pub fn near(text: &str) -> Option<&'static str> {
    let ends = |name: &str| name.split_once('/').is_some_and(|(_, end)| end == text);
    let row = PRETRAINED
        .iter()
        .find(|row| ends(row.name) || row.also.iter().any(|name| ends(name)));
    row.map(|row| row.name)
}

/// All names, for messages.
pub fn list() -> String {
    let names: Vec<&str> = PRETRAINED.iter().map(|row| row.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_ways_that_people_write_them() {
        for text in [
            "timm/mnasnet_100.rmsp_in1k",
            "timm/mnasnet_100",
            "timm/mnasnet_b1",
            "hf-hub:timm/mnasnet_100.rmsp_in1k",
            "hf_hub:timm/mnasnet_100",
            "https://huggingface.co/timm/mnasnet_100.rmsp_in1k/",
        ] {
            let found = find(text).unwrap().unwrap();
            assert_eq!(found.name, "timm/mnasnet_100.rmsp_in1k", "{text}");
        }
        for text in [
            "runs/photos",
            "mnasnet_100",
            "timm",
            "C:\\timm\\a",
            "https://example.org/timm/a",
        ] {
            assert_eq!(find(text).unwrap(), None, "{text}");
        }
        for (text, name) in [
            ("mnasnet1_0", Some("torchvision/mnasnet1_0")),
            ("semnasnet_100", Some("timm/semnasnet_100.rmsp_in1k")),
            ("mnasnet_small.lamb_in1k", Some("timm/mnasnet_small.lamb_in1k")),
            ("mnasnet", None),
        ] {
            assert_eq!(near(text), name);
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_told_with_what_is() {
        for (text, message) in [
            (
                "timm/mnasnet_100.rmps_in1k",
                "no pretrained weights are called timm/mnasnet_100.rmps_in1k (did you mean `timm/mnasnet_100.rmsp_in1k`?)",
            ),
            ("torchvision/mnasnet1.0", "(did you mean `torchvision/mnasnet1_0`?)"),
            (
                "hf-hub:timm/resnet50.a1_in1k",
                "timm/resnet50.a1_in1k; the names are timm/mnasnet_100.rmsp_in1k, ",
            ),
            (
                "timm/mnasnet_140",
                "timm has the network timm/mnasnet_140 without weights; ",
            ),
            ("timm/semnasnet_050.untrained", "without weights"),
        ] {
            let error = find(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
