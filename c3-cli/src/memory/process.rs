//! What this process takes of memory, as far as the system says; Linux does.

/// Bytes of memory that are this process's now.
pub fn resident() -> Option<u64> {
    status("VmRSS:")
}

/// Bytes of memory that were this process's at most.
pub fn peak() -> Option<u64> {
    status("VmHWM:")
}

fn status(name: &str) -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

/// A line such as `VmRSS:     1234 kB`, in bytes.
fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_bytes() {
        let status = "Name:\tc3\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nVmX: 1 MB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(kilobytes(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(kilobytes(status, "VmX:"), None);
        assert_eq!(kilobytes(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_covers_what_was_once_resident() {
        let before = resident().unwrap();
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(resident().unwrap() >= before + (48 << 20));
        drop(block);
        assert!(peak().unwrap() >= before + (48 << 20));
    }
}
