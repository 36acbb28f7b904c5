use std::{fs, path::Path};

use image::{Rgb, RgbImage};
use lastlayer_shared::{frame::Frame, head::Layout, preprocess::Preprocess};

use super::*;
use crate::{
    evaluate::{Embeddings, Splits, score},
    photos,
    ui::count,
};

/// Of each class.
const PHOTOS: usize = 6;

/// A folder of labelled folders of small photos, and what a backbone might make of them: heaps that
/// overlap a little.
struct Measured {
    folder: tempfile::TempDir,
    labelled: LabelledPhotos,
    scores: Vec<Score>,
}

fn measured(classes: &[&str], shots: &[usize]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in classes.iter().enumerate() {
        fs::create_dir(folder.path().join(name)).unwrap();
        let picture = RgbImage::from_pixel(40, 30, Rgb([class as u8, 90, 90]));
        let png = Frame::from(picture).to_png().unwrap();
        for photo in 0..PHOTOS {
            fs::write(folder.path().join(name).join(format!("{photo}.png")), &png).unwrap();
        }
    }
    let labelled = photos::labelled(folder.path()).unwrap();
    let labels: Vec<usize> = labelled.photos.iter().map(|(class, _)| *class).collect();
    let embedding = |(photo, &class): (usize, &usize)| -> Vec<f32> {
        let wobble = |at: usize| ((photo * 7 + at * 3) as f32).sin().abs();
        let own = |at: usize| if at == class { 1.2 } else { 0.1 };
        (0..classes.len() + 1)
            .map(|at| own(at) + wobble(at))
            .collect()
    };
    let data = Embeddings {
        classes: labelled.classes.clone(),
        layout: Layout::plain(classes.len() + 1),
        embeddings: labels.iter().enumerate().map(embedding).collect(),
        labels,
    };
    let scores = shots.iter().flat_map(|&shots| {
        let splits = Splits::new(&data, shots, 2, 0).unwrap();
        score(&data, &splits, || ()).unwrap()
    });
    Measured {
        scores: scores.collect(),
        folder,
        labelled,
    }
}

impl Measured {
    fn page(&self) -> String {
        let page = Report {
            package: "a & \"b\".llp",
            folder: "photos",
            photos: &self.labelled,
            preprocess: &Preprocess::named("imagenet", 96).unwrap(),
            splits: 2,
            seed: 0,
            scores: &self.scores,
        }
        .page();
        assert_balanced(&page);
        page
    }
}

/// Every element is closed where it was opened. Browsers forgive much, but not in an SVG.
fn assert_balanced(page: &str) {
    let mut open = Vec::new();
    let without_style = page.replace(include_str!("style.css"), "");
    for tag in without_style.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split_whitespace().next().unwrap();
        match (name.strip_prefix('/'), name) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            (None, "!DOCTYPE" | "meta" | "img" | "br") => (),
            (None, name) => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

fn count_of(page: &str, what: &str) -> usize {
    page.matches(what).count()
}

#[test]
fn it_shows_what_was_measured() {
    let measured = measured(&["car", "frog", "truck"], &[1, 4]);
    let page = measured.page();
    for expected in [
        "Taught 4 photos of each class",
        "18 photos of 3 classes",
        "lda (default)",
        "by familiarity",
        "a &amp; &quot;b&quot;.llp --photos photos --shots 1,4 --splits 2 --seed 0",
    ] {
        assert!(
            page.replace("<bdi>", "")
                .replace("</bdi>", "")
                .contains(expected),
            "{expected}"
        );
    }
    assert_eq!(count_of(&page, "<svg"), 3, "the curve in two sizes");
    assert!(count_of(&page, "src=\"data:image/jpeg;base64,") >= 3);
    assert_eq!(count_of(&page, "<img"), count_of(&page, "alt=\""));
    assert_eq!(page, measured.page());
    let path = measured.folder.path().to_string_lossy();
    assert!(!page.contains(&*path), "it names a folder of this machine");
}

#[test]
fn names_of_classes_stay_names() {
    // A folder's name has no slash.
    let measured = measured(
        &[
            "<script>alert(1)<&#47;script>",
            "\" onmouseover=\"alert(1)",
            "]]>-->",
            "\u{202e}drawkcab",
            "a class whose name is as long as names of classes are let to be",
        ],
        &[2],
    );
    let page = measured.page();
    let without_style = page.replace(include_str!("style.css"), "");
    for never in ["<script", "\" onmouseover", "]]>"] {
        assert!(!without_style.contains(never), "{never}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("&quot; onmouseover=&quot;"));
}

#[test]
fn a_photo_that_is_gone_leaves_a_cell_without_it() {
    let measured = measured(&["car", "frog", "truck"], &[2]);
    let pictures = |page: &str| count_of(page, "<img");
    let all = pictures(&measured.page());
    let broken = |path: &Path| fs::write(path, b"no photo").unwrap();
    for (class, path) in &measured.labelled.photos {
        match class {
            0 => fs::remove_file(path).unwrap(),
            1 => broken(path),
            _ => (),
        }
    }
    let some = pictures(&measured.page());
    assert!(some > 0 && some < all, "{some} of {all}");
}

#[test]
fn two_classes_and_one_number_of_photos_are_a_page_too() {
    let page = measured(&["car", "frog"], &[3]).page();
    assert!(page.contains("This takes three classes or more"));
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    assert_eq!(count_of(&page, "Going from"), 0);
}

#[test]
fn of_many_classes_those_are_shown_that_are_mistaken() {
    let names: Vec<String> = (10..55).map(|number| format!("class {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = measured(&names, &[1]).page();
    assert!(page.contains("Of the 45 classes the 40 are shown"));
    let matrix = page.split("<table class=\"matrix dense\"").nth(1).unwrap();
    let matrix = matrix.split("</table>").next().unwrap();
    assert_eq!(count_of(matrix, "scope=\"row\""), 40);
    assert_eq!(count_of(matrix, "<img"), 0);
}

#[test]
fn nothing_measured_is_no_panic() {
    let mut measured = measured(&["car", "frog"], &[1]);
    measured.scores.clear();
    assert!(measured.page().contains("All ways of learning"));
}

#[test]
fn neither_all_nor_none_where_that_is_not_so() {
    let said = [0.0, 0.001, 0.906, 0.996, 1.0].map(of_hundred);
    assert_eq!(said, ["0", "fewer than 1", "91", "more than 99", "100"]);
    assert_eq!(
        (count(1, "photo"), count(5, "photo")),
        ("1 photo".into(), "5 photos".into())
    );
}
