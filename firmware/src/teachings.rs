//! Everything that the head is fitted on: the package's starting samples, and what the board was
//! taught since. Classes and bursts of both become one list here.

use lastlayer_shared::{
    head::{Example, Head},
    package::Package,
    sample::{Sample, examples},
};

use crate::memory::{Basis, Memory, MemoryError};

pub struct Teachings {
    /// The package's classes, by its own names.
    starting_classes: Vec<String>,
    /// `class` indexes `starting_classes`.
    starting_samples: Vec<Sample>,
    /// Fitted on the starting samples alone.
    starting_head: Option<Head>,
    /// Hash of the package file.
    package_id: String,
    pub(crate) memory: Memory,
}

impl Teachings {
    pub fn new(package: Package, package_id: String, memory: Memory) -> Self {
        Self {
            starting_classes: package.classes,
            starting_samples: package.samples,
            starting_head: package.head,
            package_id,
            memory,
        }
    }

    /// What a class of the package is called here; `None` where it was removed.
    fn name_here<'a>(&'a self, class: &'a str) -> Option<&'a str> {
        let changed = self.memory.changed().iter().find(|c| c.class == class);
        changed.map_or(Some(class), |changed| changed.now.as_deref())
    }

    /// The name in the package of what is called `name` here, where it comes from there.
    pub(crate) fn name_in_package(&self, name: &str) -> Option<&str> {
        let mut classes = self.starting_classes.iter().map(String::as_str);
        classes.find(|class| self.name_here(class) == Some(name))
    }

    /// The package's classes, then those that were added here.
    pub fn classes(&self) -> Vec<String> {
        let starting = self.starting_classes.iter();
        let mut classes: Vec<String> = starting
            .filter_map(|class| self.name_here(class))
            .map(Into::into)
            .collect();
        for class in self.memory.classes() {
            if !classes.iter().any(|known| known == class) {
                classes.push(class.into());
            }
        }
        classes
    }

    /// All samples that there are; `classes` is `classes()`. Bursts of the package and of the
    /// memory are told apart.
    pub fn examples<'a>(&'a self, classes: &[String]) -> Vec<Example<'a>> {
        let place = |name: &str| classes.iter().position(|class| class == name);
        let starting: Vec<Option<usize>> = self
            .starting_classes
            .iter()
            .map(|class| place(self.name_here(class)?))
            .collect();
        let mut all: Vec<Example<'a>> = examples(&self.starting_samples)
            .into_iter()
            .filter_map(|example| {
                let class = starting[example.class]?;
                Some(Example { class, ..example })
            })
            .collect();
        let bursts = all.iter().map(|example| example.burst.saturating_add(1));
        let offset = bursts.max().unwrap_or(0);
        for burst in self.memory.bursts() {
            let Some(class) = place(self.memory.class_of(burst)) else {
                continue;
            };
            all.extend(burst.samples.iter().map(|sample| Example {
                embedding: &sample.embedding,
                class,
                burst: burst.number.saturating_add(offset),
            }));
        }
        all
    }

    /// Samples a class, in the order of `classes`: of the package, and taught here.
    pub fn counts(&self, classes: &[String]) -> Vec<(usize, usize)> {
        let own = self.memory.len();
        let all = self.examples(classes);
        let starting = all.len() - own;
        let mut counts = vec![(0, 0); classes.len()];
        for (at, example) in all.iter().enumerate() {
            let (of_package, here) = &mut counts[example.class];
            match at < starting {
                true => *of_package += 1,
                false => *here += 1,
            }
        }
        counts
    }

    /// All that a head of these classes is fitted on.
    fn basis(&self, classes: &[String]) -> Basis {
        self.memory.basis(&(&self.package_id, classes))
    }

    /// The head that needs no fitting: the package's own where nothing changed since, or the kept
    /// one where it is up to date. `width` is the numbers in an embedding.
    pub fn kept_head(&self, width: usize) -> Option<Head> {
        if self.memory.is_untouched() {
            return self.starting_head.clone();
        }
        let classes = self.classes();
        self.memory
            .head(self.basis(&classes))
            .filter(|head| head.check(classes.len(), width).is_ok())
    }

    pub fn keep_head(&self, head: &Head, classes: &[String]) -> Result<(), MemoryError> {
        self.memory.keep_head(head, self.basis(classes))
    }
}
