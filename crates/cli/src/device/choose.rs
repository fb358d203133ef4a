//! Which of the machine's devices a setting means.

use mnasnet_gpu::Kind;
use mnasnet_group::Group;
use mnasnet_settings::config::Target;
use mnasnet_settings::setting::hint;

/// A GPU as it is chosen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name as a device.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

impl Seen {
    fn is_software(&self) -> bool {
        self.kind == Kind::Software
    }
}

/// What a setting comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The processor.
    Cpu,
    /// The GPU of this number.
    Gpu(usize),
}

/// Where a process stands among the ranks on its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    rank: usize,
    ranks: usize,
}

impl Local {
    /// A process without others.
    pub const ALONE: Self = Self { rank: 0, ranks: 1 };

    /// Where this rank of `group` stands.
    pub fn of(group: &Group) -> Self {
        let here = group.host(group.rank());
        let on_this = |ranks: std::ops::Range<usize>| ranks.filter(|&rank| group.host(rank) == here).count();
        Self {
            rank: on_this(0..group.rank()),
            ranks: on_this(0..group.size()),
        }
    }

    /// This rank's own one of `numbers`, or why there are too few.
    fn own(self, numbers: &[usize], what: &str) -> Result<Chosen, String> {
        let Self { rank, ranks } = self;
        match ranks <= numbers.len() {
            true => Ok(Chosen::Gpu(numbers[rank])),
            false => Err(format!(
                "{ranks} ranks on this machine, which has {} {what} for them: start as many ranks as GPUs, name one that all \
                 share (`--device gpu:{}`), or say `--device cpu`",
                numbers.len(),
                numbers[0]
            )),
        }
    }
}

/// What `target` comes to where `gpus` are there, real ones first, for a process that stands at `local`. A software GPU is the
/// processor in disguise, and slower: only its number or its name chooses it.
///
/// # Errors
/// What there is instead, in a sentence.
pub fn choose(target: &Target, gpus: &[Seen], local: Local) -> Result<Chosen, String> {
    match target {
        Target::Cpu => Ok(Chosen::Cpu),
        Target::Auto => match &best(gpus, &[Kind::Discrete, Kind::Integrated, Kind::Virtual])[..] {
            [] => Ok(Chosen::Cpu),
            best => local.own(best, of_kind(gpus, best)),
        },
        Target::Gpu => match &best(gpus, &[Kind::Discrete, Kind::Integrated, Kind::Virtual, Kind::Other])[..] {
            [] => Err(no_gpu(gpus)),
            best => local.own(best, of_kind(gpus, best)),
        },
        Target::Numbered(numbers) => {
            if let Some(number) = numbers.iter().find(|&&number| number >= gpus.len()) {
                return Err(format!("there is no gpu:{number}; {}", there(gpus)));
            }
            match numbers[..] {
                [one] => Ok(Chosen::Gpu(one)),
                _ => local.own(numbers, "GPUs of those named"),
            }
        }
        Target::Named(name) => named(name, gpus, local),
    }
}

/// The GPUs of the first of `kinds` that is there.
fn best(gpus: &[Seen], kinds: &[Kind]) -> Vec<usize> {
    let of = |kind: &Kind| -> Vec<usize> { (0..gpus.len()).filter(|&i| gpus[i].kind == *kind).collect() };
    kinds.iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
}

fn of_kind(gpus: &[Seen], best: &[usize]) -> &'static str {
    match (gpus[best[0]].kind, best.len()) {
        (Kind::Discrete, 1) => "discrete GPU",
        (Kind::Discrete, _) => "discrete GPUs",
        (Kind::Integrated, 1) => "integrated GPU",
        (Kind::Integrated, _) => "integrated GPUs",
        (_, 1) => "GPU",
        _ => "GPUs",
    }
}

/// The GPU that a name or a part of it means. GPUs of one name are as good as each other: each rank takes one.
fn named(name: &str, gpus: &[Seen], local: Local) -> Result<Chosen, String> {
    let wanted = name.to_lowercase();
    let matching = |fits: fn(&str, &str) -> bool| -> Vec<usize> {
        (0..gpus.len())
            .filter(|&i| fits(&gpus[i].name.to_lowercase(), &wanted))
            .collect()
    };
    let mut found = matching(|name, wanted| name == wanted);
    // A bare number is no part of a name: `0` is no H200.
    if found.is_empty() && !name.chars().all(|c| c.is_ascii_digit()) {
        found = matching(|name, wanted| name.contains(wanted));
    }
    let Some(&first) = found.first() else {
        let hint = match pytorchs(name).filter(|target| choose(target, gpus, local).is_ok()) {
            Some(target) => format!(" (did you mean `{target}`?)"),
            None if gpus.is_empty() && pytorchs(name).is_some() => " (a GPU is called `gpu` here)".to_owned(),
            None => hint(name, Target::NAMES.iter().map(|named| named.name)),
        };
        return Err(format!("no device is called `{name}`{hint}; {}", there(gpus)));
    };
    if found.iter().any(|&i| gpus[i].name != gpus[first].name) {
        let found: Vec<String> = found.iter().map(|&i| described(i, &gpus[i])).collect();
        return Err(format!(
            "`{name}` can be {}; say more of the name, or gpu:N",
            found.join(", or ")
        ));
    }
    Ok(Chosen::Gpu(found[local.rank % found.len()]))
}

/// What PyTorch's name of a device, or a bare number, is here.
fn pytorchs(name: &str) -> Option<Target> {
    let name = name.to_ascii_lowercase();
    let (kind, number) = name.split_once(':').unwrap_or((&name, ""));
    match (kind, number) {
        ("cuda" | "mps" | "xpu" | "rocm" | "hip", "") => Some(Target::Gpu),
        ("cuda" | "mps" | "xpu" | "rocm" | "hip", number) | (number, "") => {
            Some(Target::Numbered(vec![number.parse().ok()?]))
        }
        _ => None,
    }
}

fn described(number: usize, seen: &Seen) -> String {
    let software = if seen.is_software() { " (software)" } else { "" };
    format!("gpu:{number} {}{software}", seen.name)
}

/// What there is, in a sentence.
fn there(gpus: &[Seen]) -> String {
    match gpus {
        [] => "this machine has cpu, and no GPU that a driver shows".into(),
        [..] => format!("this machine has cpu, {}", all(gpus)),
    }
}

fn all(gpus: &[Seen]) -> String {
    let all = gpus.iter().enumerate().map(|(number, seen)| described(number, seen));
    all.collect::<Vec<_>>().join(", ")
}

fn no_gpu(gpus: &[Seen]) -> String {
    match gpus {
        [] => {
            "this machine has no GPU that a driver (Vulkan, Metal or DirectX 12) shows: say `--device cpu`, or `auto`"
                .into()
        }
        [..] => format!(
            "this machine has no real GPU, only software that computes as one, slower than `--device cpu` does; to take it all the \
             same, say its name or its number: {}",
            all(gpus)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(rows: &[(&str, Kind)]) -> Vec<Seen> {
        let seen = |&(name, kind): &(&str, Kind)| Seen {
            name: name.into(),
            kind,
        };
        rows.iter().map(seen).collect()
    }

    fn chosen(target: &str, gpus: &[Seen], [rank, ranks]: [usize; 2]) -> Result<Chosen, String> {
        choose(&Target::parse(target).unwrap(), gpus, Local { rank, ranks })
    }

    const ALONE: [usize; 2] = [0, 1];

    #[test]
    fn real_gpus_are_taken_by_kind_and_software_by_name_alone() {
        let all = gpus(&[
            ("vulkan Radeon 780M", Kind::Integrated),
            ("vulkan NVIDIA H200", Kind::Discrete),
            ("vulkan NVIDIA H200", Kind::Discrete),
            ("vulkan NVIDIA T4", Kind::Discrete),
            ("vulkan llvmpipe", Kind::Software),
        ]);
        for (target, expected) in [
            ("auto", Chosen::Gpu(1)),
            ("gpu", Chosen::Gpu(1)),
            ("cpu", Chosen::Cpu),
            ("gpu:0", Chosen::Gpu(0)),
            ("gpu:4", Chosen::Gpu(4)),
            ("LLVM", Chosen::Gpu(4)),
            ("nvidia h200", Chosen::Gpu(1)),
            ("t4", Chosen::Gpu(3)),
        ] {
            assert_eq!(chosen(target, &all, ALONE), Ok(expected), "{target}");
        }
        for (target, parts) in [
            (
                "gpu:5",
                [
                    "there is no gpu:5; this machine has cpu, gpu:0 vulkan Radeon",
                    "gpu:4 vulkan llvmpipe (software)",
                ],
            ),
            (
                "nvidia",
                ["`nvidia` can be gpu:1 vulkan NVIDIA H200, or gpu:2", "say more"],
            ),
            (
                "cuda",
                [
                    "no device is called `cuda` (did you mean `gpu`?);",
                    "gpu:3 vulkan NVIDIA T4",
                ],
            ),
            ("CUDA:1", ["(did you mean `gpu:1`?)", ""]),
            ("2", ["(did you mean `gpu:2`?)", ""]),
            ("cuda:9", ["no device is called `cuda:9`;", ""]),
            ("cpuu", ["no device is called `cpuu` (did you mean `cpu`?)", ""]),
        ] {
            let error = chosen(target, &all, ALONE).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{target}: {error}");
        }
        let error = chosen("cuda:0", &[], ALONE).unwrap_err();
        assert!(
            error.contains("`cuda:0` (a GPU is called `gpu` here); this machine has cpu"),
            "{error}"
        );
        let software = &all[4..];
        assert_eq!(chosen("auto", software, ALONE), Ok(Chosen::Cpu));
        assert_eq!(chosen("gpu:0", software, ALONE), Ok(Chosen::Gpu(0)));
        let error = chosen("gpu", software, ALONE).unwrap_err();
        assert!(
            error.contains("no real GPU") && error.contains("number: gpu:0 vulkan llvmpipe (software)"),
            "{error}"
        );
        assert_eq!(chosen("auto", &[], ALONE), Ok(Chosen::Cpu));
        assert!(chosen("gpu", &[], ALONE).unwrap_err().contains("no GPU that a driver"));
        assert!(!chosen("cuda", &[], ALONE).unwrap_err().contains("did you mean"));
    }

    #[test]
    fn each_rank_takes_its_own() {
        let two = gpus(&[("a", Kind::Discrete), ("a", Kind::Discrete), ("b", Kind::Integrated)]);
        for target in ["auto", "gpu", "gpu:0,1", "a"] {
            assert_eq!(chosen(target, &two, [0, 2]), Ok(Chosen::Gpu(0)), "{target}");
            assert_eq!(chosen(target, &two, [1, 2]), Ok(Chosen::Gpu(1)), "{target}");
        }
        assert_eq!(chosen("gpu:1,0", &two, [0, 2]), Ok(Chosen::Gpu(1)));
        for target in ["auto", "gpu", "gpu:0,1"] {
            let error = chosen(target, &two, [2, 3]).unwrap_err();
            assert!(error.starts_with("3 ranks on this machine, which has 2 "), "{error}");
        }
        // Named, it is shared.
        assert_eq!(chosen("gpu:1", &two, [2, 3]), Ok(Chosen::Gpu(1)));
        assert_eq!(chosen("a", &two, [2, 3]), Ok(Chosen::Gpu(0)));
        assert_eq!(chosen("auto", &[], [2, 3]), Ok(Chosen::Cpu));
    }
}
