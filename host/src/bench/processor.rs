//! What Linux says of a process and does with it; elsewhere nothing.

/// The most kilobytes that this process had resident.
pub fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// This thread, and the processes that it starts meanwhile, stay on one core.
    pub struct Pinned(Option<CpuSet>);

    impl Pinned {
        /// The last core that it may use: the first has more to do beside.
        pub fn to_one() -> Self {
            let Ok(before) = sched_getaffinity(None) else {
                return Self(None);
            };
            let last = (0..CpuSet::MAX_CPU).rev().find(|&cpu| before.is_set(cpu));
            let mut one = CpuSet::new();
            if let Some(last) = last {
                one.set(last);
            }
            let pinned = last.is_some() && sched_setaffinity(None, &one).is_ok();
            Self(pinned.then_some(before))
        }
    }

    impl Drop for Pinned {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _ = sched_setaffinity(None, before);
            }
        }
    }
}
#[cfg(target_os = "linux")]
pub use linux::Pinned;

#[cfg(not(target_os = "linux"))]
pub struct Pinned;

#[cfg(not(target_os = "linux"))]
impl Pinned {
    pub fn to_one() -> Self {
        Self
    }
}
