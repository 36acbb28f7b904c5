//! Work on many things by all cores.

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What `work` makes of each of the numbers below `count`, in order. Every thread has a tool of its own
/// from `tool`. The first error ends it, the other threads stop after what they have begun.
pub fn map<T: Send, Tool, E: Send>(
    count: usize,
    tool: impl Fn() -> Result<Tool, E> + Sync,
    work: impl Fn(&mut Tool, usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(count));
    let failed = Mutex::new(None);
    let all = || -> Result<(), E> {
        let mut tool = tool()?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(());
            }
            let made = work(&mut tool, at)?;
            if let Ok(mut results) = results.lock() {
                results.push((at, made));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                if let Err(error) = all() {
                    next.store(count, Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock() {
                        failed.get_or_insert(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().ok().flatten() {
        return Err(error);
    }
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, made)| made).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        let double = |_: &mut (), at: usize| Ok::<_, usize>(2 * at);
        assert_eq!(map(100, || Ok(()), double).unwrap()[99], 198);
        let fails = |_: &mut (), at: usize| if at == 7 { Err(at) } else { Ok(at) };
        assert_eq!(map(100, || Ok(()), fails), Err(7));
        assert_eq!(map(0, || Ok(()), double), Ok(Vec::new()));
    }
}
