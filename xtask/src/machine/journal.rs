//! What came, in order, with its time, and how far it was looked at.

use std::time::Instant;

/// Looking for something passes over what came before it, so that the same thing is not found twice.
pub struct Journal<T> {
    entries: Vec<(Instant, T)>,
    next: usize,
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            next: 0,
        }
    }
}

impl<T> Journal<T> {
    pub fn add(&mut self, at: Instant, entry: T) {
        self.entries.push((at, entry));
    }

    /// Everything since the start, also what was looked at.
    pub fn all(&self) -> &[(Instant, T)] {
        &self.entries
    }

    /// What was not looked at yet.
    pub fn unseen(&self) -> &[(Instant, T)] {
        &self.entries[self.next..]
    }

    /// Passes over everything that is there now.
    pub fn skip(&mut self) {
        self.next = self.entries.len();
    }

    /// When the next entry that is wanted came. Entries that are not wanted are passed over.
    pub fn find_at(&mut self, wanted: impl Fn(&T) -> bool) -> Option<Instant> {
        let found = self.unseen().iter().position(|(_, entry)| wanted(entry));
        match found {
            Some(ahead) => {
                let at = self.entries[self.next + ahead].0;
                self.next += ahead + 1;
                Some(at)
            }
            None => {
                self.skip();
                None
            }
        }
    }
}

impl<T: Clone> Journal<T> {
    /// The next entry that is wanted. Entries that are not wanted are passed over.
    pub fn find(&mut self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        self.find_at(wanted)
            .map(|_| self.entries[self.next - 1].1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_found_twice_and_nothing_is_lost() {
        let mut journal = Journal::default();
        let now = Instant::now();
        for number in [1, 2, 3, 2] {
            journal.add(now, number);
        }
        assert_eq!(journal.find(|number| *number == 2), Some(2));
        assert_eq!(journal.unseen().len(), 2);
        assert_eq!(journal.find(|number| *number == 2), Some(2));
        assert_eq!(journal.find(|number| *number == 2), None);
        journal.add(now, 2);
        assert!(journal.find_at(|number| *number == 2).is_some());
        assert_eq!(journal.all().len(), 5);
    }
}
