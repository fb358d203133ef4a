//! Which cores this process may run on.

/// The list of allowed cores as Linux writes it, `0-3,8`; ranks of a machine with equal lists share those cores. Elsewhere empty:
/// then all of a machine share all.
pub(crate) fn allowed() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = |line: &str| Some(line.strip_prefix("Cpus_allowed_list:")?.trim().to_owned());
    status.lines().find_map(list).unwrap_or_default()
}
