//! What is compared: the heads that boards have, and what other tools learn with.

use lastlayer_shared::head::{Answer, Example, Head, HeadError, Judgement, Kind, Layout};

/// A way to learn from examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The three nearest examples by cosine vote, as in Coral's Teachable Machine. Not a head of ours.
    Nearest,
    Head(Kind),
}

impl Method {
    pub const ALL: [Self; 5] = [
        Self::Nearest,
        Self::Head(Kind::Means),
        Self::Head(Kind::Ridge),
        Self::Head(Kind::Logistic),
        Self::Head(Kind::Lda),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "3-nearest",
            Self::Head(kind) => kind.name(),
        }
    }

    /// What boards use.
    pub fn is_default(self) -> bool {
        self == Self::Head(Kind::default())
    }

    pub(super) fn fit(
        self,
        layout: &Layout,
        examples: &[Example<'_>],
    ) -> Result<Fitted, HeadError> {
        Ok(match self {
            Self::Nearest => Fitted::Nearest(Nearest::new(layout, examples)),
            Self::Head(kind) => Fitted::Head(Box::new(Head::fit(kind, layout, examples)?)),
        })
    }
}

pub(super) enum Fitted {
    Nearest(Nearest),
    Head(Box<Head>),
}

impl Fitted {
    /// `None` where the head has no answer: that is `unknown`.
    pub fn judge(&self, embedding: &[f32]) -> Option<Judgement> {
        match self {
            Self::Nearest(nearest) => Some(nearest.judge(embedding)),
            Self::Head(head) => head.judge(embedding),
        }
    }
}

const NEIGHBOURS: usize = 3;

/// Last embeddings of length 1 with their classes.
pub(super) struct Nearest {
    last: usize,
    classes: usize,
    examples: Vec<(Vec<f32>, usize)>,
}

fn unit(numbers: &[f32]) -> Vec<f32> {
    let length = numbers.iter().map(|v| v * v).sum::<f32>().sqrt();
    numbers
        .iter()
        .map(|v| v / length.max(f32::MIN_POSITIVE))
        .collect()
}

impl Nearest {
    fn new(layout: &Layout, examples: &[Example<'_>]) -> Self {
        let last = layout.last();
        let classes = examples.iter().map(|example| example.class + 1).max();
        let unit = |example: &Example<'_>| (unit(&example.embedding[..last]), example.class);
        Self {
            last,
            classes: classes.unwrap_or(0),
            examples: examples.iter().map(unit).collect(),
        }
    }

    /// The confidence is the share of votes; among equals the nearest neighbour's class comes first.
    fn judge(&self, embedding: &[f32]) -> Judgement {
        let embedding = unit(&embedding[..self.last]);
        let cosine = |other: &[f32]| embedding.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        let mut near: Vec<(f32, usize)> = self
            .examples
            .iter()
            .map(|(example, class)| (cosine(example), *class))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(NEIGHBOURS);
        let mut votes = vec![0.0; self.classes];
        near.iter().for_each(|(_, class)| votes[*class] += 1.0);
        // Less than what one vote is worth, so it decides between equals only.
        if let Some((_, class)) = near.first() {
            votes[*class] += 1e-3;
        }
        let all: f32 = votes.iter().sum();
        let answers = votes.into_iter().enumerate();
        Judgement {
            answers: answers
                .map(|(class, votes)| Answer {
                    class,
                    confidence: votes / all,
                })
                .collect(),
            familiarity: None,
        }
    }
}
