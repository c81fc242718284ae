//! What Linux tells about processes and the machine. Other systems tell nothing here.

use std::{env, fs};

/// Returns the CPU time that a process has used, in seconds.
pub fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?; // the name before it may contain anything
    let ticks = |index| fields.split(' ').nth(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0) // utime and stime in USER_HZ, see proc_pid_stat(5)
}

/// Returns the resident memory of a process, `self` for this one, in KiB.
pub fn resident_kib(process: &str) -> Option<f64> {
    kib(&format!("/proc/{process}/status"), &["VmRSS:"])
}

/// Returns what the kernel uses for threads, sockets and page tables, of all processes, in KiB.
pub fn kernel_kib() -> Option<f64> {
    let kinds = ["KernelStack:", "PageTables:", "SUnreclaim:"];
    kib("/proc/meminfo", &kinds)
}

fn kib(path: &str, names: &[&str]) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let value = |name: &&str| {
        let line = text.lines().find_map(|line| line.strip_prefix(*name))?;
        line.trim_end_matches("kB").trim().parse::<f64>().ok()
    };
    names.iter().map(value).sum()
}

/// Returns the machine in words: processor, cores, kernel.
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (info, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown CPU");
    let cores = core_affinity::get_core_ids().map_or(0, |ids| ids.len());
    format!(
        "{model}, {cores} cores, {} {}",
        env::consts::OS,
        kernel.trim()
    )
}
