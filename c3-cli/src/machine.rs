//! What this machine has.

use serde::Serialize;

/// What this machine has.
#[derive(Serialize)]
pub struct Machine {
    pub os: &'static str,
    pub architecture: &'static str,
    /// Threads that can run at once, as far as this process may use them.
    pub cores: usize,
    /// Memory that this process may use; the system's, or its container's where that is less.
    pub memory_bytes: Option<u64>,
    /// Vector and matrix instructions that matter here.
    pub cpu_features: Vec<&'static str>,
}

impl Machine {
    pub fn look() -> Self {
        Self {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory(),
            cpu_features: cpu_features(),
        }
    }
}

/// Memory that this process may use, from the files that Linux has for it; elsewhere unknown.
pub fn memory() -> Option<u64> {
    let system = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text));
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    [system, limit].into_iter().flatten().min()
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

macro_rules! detected {
    ($detect:ident: $($name:tt),*) => {
        [$(($name, std::arch::$detect!($name))),*]
            .into_iter()
            .filter_map(|(name, present)| present.then_some(name))
            .collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    let mut features: Vec<&'static str> = detected!(is_x86_feature_detected:
        "sse4.2", "avx", "f16c", "fma", "avx2", "avxvnni", "avx512f", "avx512bw", "avx512vnni",
        "avx512bf16", "avx512fp16");
    // The compiler can't ask for these yet; Linux can.
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = flags.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    for (flag, name) in
        [("amx_tile", "amx-tile"), ("amx_int8", "amx-int8"), ("amx_bf16", "amx-bf16")]
    {
        features.extend(flags.split_whitespace().any(|word| word == flag).then_some(name));
    }
    features
}

#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon", "dotprod", "fp16", "bf16", "i8mm", "sve")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemFree: 1 kB\nMemTotal:       2048 kB\n";
        assert_eq!(super::mem_total(text), Some(2 << 20));
        assert_eq!(super::mem_total("MemTotal: x kB"), None);
        assert_eq!(super::mem_total(""), None);
    }
}
