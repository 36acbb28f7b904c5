//! Which classes are known at the start, and which come one after another.

/// The nearest name is offered where it is at least so alike, 0..=1 (Jaro and Winkler).
const ALIKE: f64 = 0.8;

/// Two classes or more at the start, all others later.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    known: Vec<usize>,
    then: Vec<usize>,
}

/// Why there is no such order.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum OrderError {
    #[error("no class is called {name:?}; {hint}")]
    Unknown { name: String, hint: String },
    #[error("the class {0:?} cannot be taught after itself; name it once")]
    Twice(String),
    #[error(
        "all but {then} of {classes} classes must be known at the start, and that leaves fewer than \
         two: let fewer come later, or add folders of photos"
    )]
    TooFewKnown { classes: usize, then: usize },
}

impl Order {
    /// `then`: names of those of `classes` that come later, in that order.
    pub fn new(classes: &[String], then: &[String]) -> Result<Self, OrderError> {
        let mut later = Vec::new();
        for name in then {
            let class = classes.iter().position(|class| class == name);
            let class = class.ok_or_else(|| OrderError::Unknown {
                name: name.clone(),
                hint: hint(name, classes),
            })?;
            if later.contains(&class) {
                return Err(OrderError::Twice(name.clone()));
            }
            later.push(class);
        }
        let known: Vec<usize> = (0..classes.len())
            .filter(|class| !later.contains(class))
            .collect();
        match known.len() {
            2.. => Ok(Self { known, then: later }),
            _ => Err(OrderError::TooFewKnown {
                classes: classes.len(),
                then: later.len(),
            }),
        }
    }

    /// At the start, ascending.
    pub fn known(&self) -> &[usize] {
        &self.known
    }

    /// One after another.
    pub fn then(&self) -> &[usize] {
        &self.then
    }

    /// All of them, in the order in which they become known.
    pub fn classes(&self) -> Vec<usize> {
        [self.known.as_slice(), &self.then].concat()
    }
}

fn hint(wrong: &str, classes: &[String]) -> String {
    let alike = |class: &str| strsim::jaro_winkler(wrong, class);
    let best = classes
        .iter()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .filter(|best| alike(best) >= ALIKE);
    match best {
        Some(best) => format!("did you mean {best:?}?"),
        None => format!("there are: {}", classes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(then: &[&str]) -> Result<Order, OrderError> {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        Order::new(&names(&["bike", "car", "pickup", "truck"]), &names(then))
    }

    #[test]
    fn what_is_not_named_is_known_at_the_start() {
        let order = order(&["truck", "bike"]).unwrap();
        assert_eq!((order.known(), order.then()), (&[1, 2][..], &[3, 0][..]));
        assert_eq!(order.classes(), [1, 2, 3, 0]);
    }

    #[test]
    fn wrong_names_are_lines_that_help() {
        let error = |then: &[&str]| order(then).unwrap_err().to_string();
        assert_eq!(
            error(&["trcuk"]),
            "no class is called \"trcuk\"; did you mean \"truck\"?"
        );
        assert!(error(&["xyz"]).ends_with("there are: bike, car, pickup, truck"));
        assert!(error(&["car", "car"]).contains("after itself"));
        assert!(error(&["car", "bike", "truck"]).contains("all but 3 of 4 classes"));
    }
}
