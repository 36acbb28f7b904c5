//! Everything that the head is fitted on: the package's starting samples, and what the board was
//! taught since. Classes and bursts of both become one list here.

use std::borrow::Cow;

use half::f16;
use lastlayer_shared::{
    head::{Example, Head, HeadError, Kind, Layout},
    package::Package,
};

use crate::memory::{Basis, Memory, MemoryError, rounded};

/// What a package brings to learn from.
pub struct Starting {
    /// By its own names.
    classes: Vec<String>,
    samples: Vec<Start>,
    /// Fitted on these samples alone.
    head: Option<Head>,
    /// Hash of the package file, in some form.
    id: String,
}

/// A sample of a package, kept as the memory's are.
struct Start {
    embedding: Vec<f16>,
    /// Index into the package's classes.
    class: usize,
    burst: u32,
}

pub struct Teachings {
    starting: Starting,
    pub(crate) memory: Memory,
}

/// What a class of a package is called here; `None` where it was removed.
fn name_here<'a>(memory: &'a Memory, class: &'a str) -> Option<&'a str> {
    let changed = memory.changed().iter().find(|c| c.class == class);
    changed.map_or(Some(class), |changed| changed.now.as_deref())
}

/// A head of these examples, whose embeddings `layout` describes, where they are of two classes, and what
/// heads that have not seen them call them.
pub fn fit(
    layout: &Layout,
    examples: &[Example<'_, f16>],
) -> Result<(Option<Head>, Vec<Option<usize>>), HeadError> {
    match Head::fit_judged(Kind::default(), layout, examples) {
        Ok((head, called)) => Ok((Some(head), called)),
        Err(HeadError::TooFewClasses(_)) => Ok((None, vec![None; examples.len()])),
        Err(error) => Err(error),
    }
}

impl Starting {
    /// `id`: the hash of the package's file.
    pub fn new(package: Package, id: String) -> Self {
        Self {
            classes: package.classes,
            samples: package
                .samples
                .into_iter()
                .map(|sample| Start {
                    embedding: rounded(&sample.embedding),
                    class: usize::from(sample.class),
                    burst: sample.burst,
                })
                .collect(),
            head: package.head,
            id,
        }
    }

    /// The package's classes, then those that were added here.
    pub fn classes(&self, memory: &Memory) -> Vec<String> {
        let starting = self.classes.iter();
        let starting = starting.filter_map(|class| name_here(memory, class));
        let mut classes: Vec<String> = Vec::new();
        // A class may have been given the name that a later package gives to one of its own.
        for class in starting.chain(memory.classes()) {
            if !classes.iter().any(|known| known == class) {
                classes.push(class.into());
            }
        }
        classes
    }

    /// All samples that there are, the memory's last; `classes` is `classes()`. Bursts of the package
    /// and of the memory are told apart.
    pub fn examples<'a>(&'a self, memory: &'a Memory, classes: &[String]) -> Vec<Example<'a, f16>> {
        let place = |name: &str| classes.iter().position(|class| class == name);
        let starting: Vec<Option<usize>> = self
            .classes
            .iter()
            .map(|class| place(name_here(memory, class)?))
            .collect();
        let samples = self.samples.iter();
        let mut all: Vec<_> = samples
            .filter_map(|sample| {
                Some(Example {
                    embedding: &sample.embedding[..],
                    class: starting[sample.class]?,
                    burst: sample.burst,
                })
            })
            .collect();
        let bursts = all.iter().map(|example| example.burst.saturating_add(1));
        let offset = bursts.max().unwrap_or(0);
        for burst in memory.bursts() {
            let Some(class) = place(memory.class_of(burst)) else {
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
}

impl Teachings {
    pub fn new(starting: Starting, memory: Memory) -> Self {
        Self { starting, memory }
    }

    /// The name in the package of what is called `name` here, where it comes from there.
    pub(crate) fn name_in_package(&self, name: &str) -> Option<&str> {
        let mut classes = self.starting.classes.iter().map(String::as_str);
        classes.find(|class| name_here(&self.memory, class) == Some(name))
    }

    /// The package's classes, then those that were added here.
    pub fn classes(&self) -> Vec<String> {
        self.starting.classes(&self.memory)
    }

    /// All samples that there are; `classes` is `classes()`.
    pub fn examples<'a>(&'a self, classes: &[String]) -> Vec<Example<'a, f16>> {
        self.starting.examples(&self.memory, classes)
    }

    /// Of its file: a hash, in the form of `file::sha256`.
    pub fn package_id(&self) -> &str {
        &self.starting.id
    }

    /// What the network saw of the examples, in their order: JPEGs. `package` is the one that this began
    /// with.
    pub fn crops<'a>(
        &'a self,
        package: &'a Package,
        classes: &'a [String],
    ) -> impl Iterator<Item = Result<Cow<'a, [u8]>, MemoryError>> + 'a {
        let memory = &self.memory;
        let is_there = |name: &str| classes.iter().any(|class| class == name);
        let starting = package.samples.iter().filter(move |sample| {
            let class = package.classes.get(usize::from(sample.class));
            class.is_some_and(|class| name_here(memory, class).is_some_and(is_there))
        });
        let bursts = memory.bursts();
        let bursts = bursts.filter(move |burst| is_there(memory.class_of(burst)));
        let taught = bursts.flat_map(move |burst| {
            let places = 0..burst.samples.len();
            places.map(move |place| memory.crop(burst, place).map(Cow::Owned))
        });
        starting
            .map(|sample| Ok(Cow::Borrowed(sample.crop.as_slice())))
            .chain(taught)
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
        self.memory.basis(&(&self.starting.id, classes))
    }

    /// The head that needs no fitting: the package's own where nothing changed since, or the kept
    /// one where it is up to date. `layout` is the network's: a head that takes its embeddings for
    /// something else is none.
    pub fn kept_head(&self, layout: &Layout) -> Option<Head> {
        let head = if self.memory.is_untouched() {
            self.starting.head.clone()
        } else {
            let classes = self.classes();
            let head = self.memory.head(self.basis(&classes));
            head.filter(|head| head.check(classes.len(), layout.width()).is_ok())
        };
        head.filter(|head| head.layout() == layout)
    }

    pub fn keep_head(&self, head: &Head, classes: &[String]) -> Result<(), MemoryError> {
        self.memory.keep_head(head, self.basis(classes))
    }
}
