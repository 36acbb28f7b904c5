//! What `lastlayer eval --fine-tune` shows.

use serde_json::json;

use super::{megabytes, per_cent};
use crate::{
    evaluate::{Embeddings, FineTuning},
    statistics::mean,
    ui,
};

pub fn print(rows: &[FineTuning], data: &Embeddings, seed: u64, json: bool) -> anyhow::Result<()> {
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "shots": row.shots,
                    "accuracies": row.without,
                    "accuracies_tuned": row.with,
                    "gain": row.gain(),
                    "seed": seed,
                    "tuned": row.tuned,
                    "splits": row.with.len(),
                    "seconds_mean": mean(&row.seconds),
                    "train_peak_bytes": row.peak,
                })
            })
            .collect();
        crate::say!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let splits = rows.first().map_or(0, |row| row.with.len());
    crate::say!(
        "{} of {} classes, {}, seed {seed}; accuracy on the photos not taught, in %; seconds and MB without \
         looking at the photos",
        ui::count(data.labels.len(), "photo"),
        data.classes.len(),
        ui::count(splits, "split"),
    );
    let header = [
        "photos a class",
        "accuracy",
        "with the last layer tuned",
        "gain",
        "found better",
        "seconds",
        "MB",
    ];
    let cells = rows.iter().map(|row| {
        [
            row.shots.to_string(),
            per_cent(mean(&row.without)),
            per_cent(mean(&row.with)),
            format!("{:+.1}", row.gain() * 100.0),
            format!("{} of {}", row.tuned, row.with.len()),
            format!("{:.1}", mean(&row.seconds)),
            row.peak.map_or(String::new(), megabytes),
        ]
    });
    crate::say!("{}", ui::table(header, cells));
    Ok(())
}
