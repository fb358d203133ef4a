//! The memory that this process has had.

/// The most bytes of memory that the process has had at once, where the system tells it.
pub(crate) fn peak_bytes() -> Option<u64> {
    of_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The peak of Linux's `/proc/PID/status`, which counts in KiB.
fn of_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_kibibytes() {
        let status = "Name:\tx\nVmPeak:\t  900 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(of_status(status), Some(1234 * 1024));
        assert_eq!(of_status("VmRSS:\t 1 kB\n"), None);
    }
}
