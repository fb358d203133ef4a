//! Which device computes. It is no choice of a fixed list: machines have devices of many names.

use std::fmt;

use mnasnet_choice::Named;

/// Which device computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A GPU where the machine has one, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// A GPU: the first of the best kind, or a rank's own.
    Gpu,
    /// GPUs by their numbers in the list of devices: one for all ranks of a machine, or one a rank.
    Numbered(Vec<usize>),
    /// A GPU by its name or a part of it, whose case does not count.
    Named(String),
}

impl Target {
    /// The names that are the same on every machine.
    pub const NAMES: &'static [Named] = &[
        Named {
            name: "auto",
            help: "A GPU where there is one, else the processor.",
        },
        Named {
            name: "cpu",
            help: "The processor.",
        },
        Named {
            name: "gpu",
            help: "A GPU.",
        },
    ];

    /// Reads a text; the error completes the sentence "`device` ...".
    ///
    /// # Errors
    /// No name at all; numbers that are none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.trim();
        match name.to_ascii_lowercase().as_str() {
            "" => Err("cannot be empty; it is auto, cpu, gpu, gpu:N or the name of a GPU".into()),
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            lower => match lower.strip_prefix("gpu:") {
                None => Ok(Self::Named(name.to_owned())),
                Some(numbers) => (numbers.split(',').map(|number| number.trim().parse().ok()))
                    .collect::<Option<Vec<usize>>>()
                    .filter(|numbers| (1..numbers.len()).all(|i| !numbers[..i].contains(&numbers[i])))
                    .map(Self::Numbered)
                    .ok_or_else(|| format!("cannot be `{name}`; it is gpu:N, or gpu:N,M,... with each number once")),
            },
        }
    }

    /// Whether a GPU is asked for.
    pub fn is_gpu(&self) -> bool {
        !matches!(self, Self::Auto | Self::Cpu)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu => f.write_str("gpu"),
            Self::Numbered(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
                write!(f, "gpu:{}", numbers.join(","))
            }
            Self::Named(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (text, expected, written) in [
            ("auto", Target::Auto, "auto"),
            ("CPU", Target::Cpu, "cpu"),
            ("Gpu", Target::Gpu, "gpu"),
            ("GPU:3", Target::Numbered(vec![3]), "gpu:3"),
            ("gpu:1,0", Target::Numbered(vec![1, 0]), "gpu:1,0"),
            (" NVIDIA H200", Target::Named("NVIDIA H200".into()), "NVIDIA H200"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((&target, target.to_string().as_str()), (&expected, written));
            assert_eq!(Target::parse(written), Ok(expected));
        }
        for text in ["", " ", "gpu:", "gpu:x", "gpu:-1", "gpu:1,", "gpu:1,1"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        for Named { name, .. } in Target::NAMES {
            assert_eq!(Target::parse(name).unwrap().to_string(), *name);
        }
    }
}
