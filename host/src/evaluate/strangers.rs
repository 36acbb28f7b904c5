//! Whether a head knows what it was never taught: every class in turn is left out and then shown.

use lastlayer_shared::{
    head::{Example, HeadError},
    verdict::UNFAMILIAR_BELOW,
};

use super::{Embeddings, Method, measures::area, splits::Splits};

/// Means over the classes left out, 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strangers {
    /// The area under the ROC curve of taught against left-out classes, by the head's familiarity, or
    /// its confidence where it has none.
    pub own: f64,
    /// The same by the highest confidence alone.
    pub confidence: f64,
    /// The share of photos of taught classes that a board with its default configuration calls
    /// `unknown`,
    pub lost: f64,
    /// and of those of the class left out.
    pub noticed: f64,
}

/// `None` where two classes would not be left.
pub fn strangers(
    data: &Embeddings,
    method: Method,
    taught: &[usize],
) -> Result<Option<Strangers>, HeadError> {
    let classes = data.classes.len();
    if classes < 3 {
        return Ok(None);
    }
    let tested = Splits::tested(data.labels.len(), taught);
    let mut sum = Strangers::default();
    for left_out in 0..classes {
        let known = |&&photo: &&usize| data.labels[photo] != left_out;
        let photos: Vec<usize> = taught.iter().filter(known).copied().collect();
        let head = method.fit(&data.layout, &data.examples(&photos))?;
        let (mut own, mut confidence) = ([vec![], vec![]], [vec![], vec![]]);
        let mut unknown = [0u32; 2];
        for &photo in &tested {
            let Some(said) = head.judge(&data.embeddings[photo]) else {
                continue;
            };
            let sure = said.answers.iter().map(|answer| answer.confidence);
            let sure = sure.fold(0.0, f32::max);
            let side = usize::from(data.labels[photo] == left_out);
            own[side].push(said.familiarity.unwrap_or(sure));
            confidence[side].push(sure);
            unknown[side] += u32::from(!said.is_known(UNFAMILIAR_BELOW));
        }
        let share = |side: usize| f64::from(unknown[side]) / own[side].len().max(1) as f64;
        sum.lost += share(0) / classes as f64;
        sum.noticed += share(1) / classes as f64;
        sum.own += area(&own[0], &own[1]).unwrap_or(0.5) / classes as f64;
        sum.confidence += area(&confidence[0], &confidence[1]).unwrap_or(0.5) / classes as f64;
    }
    Ok(Some(sum))
}

impl Embeddings {
    /// Every photo a burst of its own.
    pub(super) fn examples(&self, photos: &[usize]) -> Vec<Example<'_>> {
        let photos = photos.iter().enumerate();
        photos
            .map(|(burst, &photo)| Example {
                embedding: &self.embeddings[photo],
                class: self.labels[photo],
                burst: burst as u32,
            })
            .collect()
    }
}
