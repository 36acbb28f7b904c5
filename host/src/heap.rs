//! How much heap something takes. Only a program whose global allocator is `Counting` can tell: that is
//! for a `main` to say, not for a library.

use std::thread;

pub use peak_alloc::PeakAlloc as Counting;

/// Does `work`, and tells the most bytes of heap that were taken meanwhile beside those that were taken
/// before; `None` where they are not counted. The work has a thread of its own: what libraries keep
/// for the next time is kept by thread, and so it is counted every time. Nothing else may be going on.
pub fn peak(work: impl FnOnce() + Send) -> Option<u64> {
    let before = Counting.current_usage();
    Counting.reset_peak_usage();
    thread::scope(|scope| {
        scope.spawn(work);
    });
    let most = Counting.peak_usage().saturating_sub(before) as u64;
    (before > 0).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_not_called_nothing() {
        assert_eq!(peak(|| drop(vec![1u8; 1000])), None);
    }
}
