//! Memory that is free goes back to the system. glibc keeps it for the next time: after a package was
//! loaded or a head fitted that is tens of megabytes, scattered among what is in use.
//!
//! The only unsafe code of this program.

/// Gives back what is free in the heaps of all threads; takes milliseconds where there is much. Other
/// systems' libraries than glibc do so by themselves or cannot.
pub fn give_back() {
    // Safety: the function takes a number, reads and writes no memory of ours, and may be called at any
    // time on any thread ("MT-Safe" in malloc_trim(3)): it locks the heaps as `malloc` and `free` do,
    // and lets go of pages in which nothing is allocated.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Megabytes of this process that are in memory.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kb = line.unwrap().split_whitespace().nth(1).unwrap();
        kb.parse::<usize>().unwrap() / 1024
    }

    #[test]
    fn what_is_free_between_what_is_used_goes_back() {
        // Too small for pages of their own; those that stay hold the heap's end where it is.
        let mut blocks: Vec<Vec<u8>> = (0..30_000).map(|_| vec![1; 10_000]).collect();
        let mut at = 0;
        blocks.retain(|_| {
            at += 1;
            at % 1000 == 0
        });
        let before = resident();
        give_back();
        let after = resident();
        assert_eq!(blocks.len(), 30);
        // Other tests run beside this one, and take some.
        assert!(after + 150 < before, "{before} MB, then {after} MB");
    }
}
