//! How much memory there is, asked before a plan takes it: most systems promise more than they have, and end processes later.

use std::fs;
use std::path::Path;

/// Bytes that this process can still take, swap included, as far as the system says: what the machine has available, and what the
/// limits of the process's control groups leave.
pub fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| machine(&text));
    let of_groups = fs::read_to_string("/proc/self/cgroup").map(|text| groups(Path::new("/sys/fs/cgroup"), &text));
    machine.into_iter().chain(of_groups.unwrap_or_default()).min()
}

fn machine(meminfo: &str) -> Option<u64> {
    let kib = |name: &str| field(meminfo, name).map(|kib| kib << 10);
    Some(kib("MemAvailable:")? + kib("SwapFree:").unwrap_or(0))
}

/// Files in which a control group says what it may take and what it has taken, and how it calls the part that is cached files.
struct Files {
    mount: &'static str,
    limit: &'static str,
    taken: &'static str,
    cached: &'static str,
}

const VERSION_2: Files = Files {
    mount: "",
    limit: "memory.max",
    taken: "memory.current",
    cached: "inactive_file",
};

const VERSION_1: Files = Files {
    mount: "memory",
    limit: "memory.limit_in_bytes",
    taken: "memory.usage_in_bytes",
    cached: "total_inactive_file",
};

/// What the limit of each group leaves that a process is in, and of those around it.
fn groups(root: &Path, of_process: &str) -> Vec<u64> {
    let mut left = Vec::new();
    for line in of_process.lines() {
        let [_, controllers, group] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
            continue;
        };
        let files = match controllers {
            "" => VERSION_2,
            controllers if controllers.split(',').any(|name| name == "memory") => VERSION_1,
            _ => continue,
        };
        for group in Path::new(group.trim_start_matches('/')).ancestors() {
            let folder = root.join(files.mount).join(group);
            let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
            let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
            // A group without a limit says "max", or a number beyond all memory.
            if let (Some(limit), Some(taken)) = (number(files.limit), number(files.taken)) {
                let cached = read("memory.stat").and_then(|text| field(&text, files.cached));
                left.push(limit.saturating_sub(taken.saturating_sub(cached.unwrap_or(0))));
            }
        }
    }
    left
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let words = text.lines().map(|line| line.split_whitespace());
    let mut found = words.filter_map(|mut words| (words.next() == Some(name)).then(|| words.next()));
    found.next()??.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_and_swap() {
        let meminfo = "MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable:   60 kB\nSwapTotal: 9 kB\nSwapFree: 4 kB\n";
        assert_eq!(machine(meminfo), Some(64 << 10));
        assert_eq!(machine("MemTotal: 100 kB\n"), None);
    }

    #[test]
    fn the_limits_of_groups_in_groups() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, files: &[(&str, &str)]| {
            fs::create_dir_all(root.path().join(path)).unwrap();
            for (name, text) in files {
                fs::write(root.path().join(path).join(name), text).unwrap();
            }
        };
        group("job/step", &[("memory.max", "max\n"), ("memory.current", "70\n")]);
        group(
            "job",
            &[
                ("memory.max", "100\n"),
                ("memory.current", "90\n"),
                ("memory.stat", "anon 60\ninactive_file 30\n"),
            ],
        );
        let old = [("memory.limit_in_bytes", "50\n"), ("memory.usage_in_bytes", "60\n")];
        group("memory/old", &old);
        let left = |text: &str| groups(root.path(), text);
        assert_eq!(left("0::/job/step\n"), [40]);
        assert_eq!(left("5:cpu,cpuacct:/old\n4:memory:/old\n0::/none\n"), [0]);
        assert_eq!(left("nonsense\n"), [0; 0]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_some() {
        assert!(available().unwrap() > 1 << 20);
    }
}
