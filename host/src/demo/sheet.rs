//! The contact sheet: photos with the verdicts under them, before and after.

use std::{convert::Infallible, path::Path};

use embedded_graphics::{
    mono_font::{
        MonoFont, MonoTextStyle,
        iso_8859_1::{FONT_7X13, FONT_7X13_BOLD, FONT_10X20},
    },
    pixelcolor::Rgb888,
    prelude::*,
    text::{Baseline, Text},
};
use image::{Rgb, RgbImage, imageops};
use lastlayer_shared::{
    frame::{Frame, FrameError},
    verdict::UNKNOWN,
};

use super::story::Seen;

const THUMB: u32 = 112;
const GAP: u32 = 10;
const CAPTION: u32 = 34;
const HEADING: u32 = 40;
const PAPER: Rgb<u8> = Rgb([250, 250, 247]);
const INK: Rgb888 = Rgb888::new(30, 30, 30);
const GREEN: Rgb888 = Rgb888::new(20, 120, 50);
const RED: Rgb888 = Rgb888::new(185, 30, 30);

/// Photos under a heading.
pub struct Section<'a> {
    /// One line.
    pub heading: String,
    /// In rows of as many as `draw` is told.
    pub photos: Vec<&'a Seen>,
}

/// The sections below one another, each photo scaled down with its verdict under it. `folder` is
/// what the photos' names are relative to; `columns` photos stand in a row. A photo that cannot be
/// read is an error.
pub fn draw(
    sections: &[Section<'_>],
    folder: &Path,
    columns: usize,
) -> Result<RgbImage, FrameError> {
    let columns = columns.max(1) as u32;
    let cell = (THUMB + GAP, THUMB + CAPTION + GAP);
    let rows = |section: &Section<'_>| (section.photos.len() as u32).div_ceil(columns);
    let height: u32 = sections.iter().map(|s| HEADING + rows(s) * cell.1).sum();
    let mut sheet = Sheet(RgbImage::from_pixel(
        columns * cell.0 + GAP,
        height + GAP,
        PAPER,
    ));
    let mut top = 0;
    for section in sections {
        sheet.text(&section.heading, GAP, top + 12, &FONT_10X20, INK);
        top += HEADING;
        for (number, seen) in section.photos.iter().enumerate() {
            let number = number as u32;
            let (x, y) = (
                GAP + number % columns * cell.0,
                top + number / columns * cell.1,
            );
            sheet.photo(&Frame::open(&folder.join(&seen.photo))?, x, y);
            // Not to know is no mistake, and there is no confidence in it.
            let is_unknown = seen.said == UNKNOWN;
            let colour = match seen.right() {
                true => GREEN,
                false if is_unknown => INK,
                false => RED,
            };
            let verdict = match is_unknown {
                true => seen.said.clone(),
                false => format!("{} {:.0}%", seen.said, seen.confidence * 100.0),
            };
            sheet.text(
                &clipped(&verdict),
                x,
                y + THUMB + 4,
                &FONT_7X13_BOLD,
                colour,
            );
            let truth = if seen.right() {
                String::new()
            } else {
                format!("is {}", seen.truth)
            };
            sheet.text(&clipped(&truth), x, y + THUMB + 18, &FONT_7X13, INK);
        }
        top += rows(section) * cell.1;
    }
    Ok(sheet.0)
}

/// As much as fits under a photo.
fn clipped(text: &str) -> String {
    text.chars().take(THUMB as usize / 7).collect()
}

struct Sheet(RgbImage);

impl Sheet {
    fn text(&mut self, text: &str, x: u32, y: u32, font: &MonoFont<'_>, colour: Rgb888) {
        let style = MonoTextStyle::new(font, colour);
        let place = Point::new(x as i32, y as i32);
        let Ok(_) = Text::with_baseline(text, place, style, Baseline::Top).draw(self);
    }

    /// The whole photo, centred in its square.
    fn photo(&mut self, frame: &Frame, x: u32, y: u32) {
        let scale = f64::from(THUMB) / f64::from(frame.width().max(frame.height()));
        let side = |side: u32| ((f64::from(side) * scale).round() as u32).clamp(1, THUMB);
        let (width, height) = (side(frame.width()), side(frame.height()));
        let picture = frame.clone().into_image();
        let small = imageops::resize(&picture, width, height, imageops::FilterType::CatmullRom);
        let place = (x + (THUMB - width) / 2, y + (THUMB - height) / 2);
        imageops::replace(&mut self.0, &small, place.0.into(), place.1.into());
    }
}

impl OriginDimensions for Sheet {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Sheet {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(place, colour) in pixels {
            let inside = u32::try_from(place.x).ok().zip(u32::try_from(place.y).ok());
            if let Some((x, y)) = inside
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_and_wrong_verdicts_have_their_colours() {
        let folder = tempfile::tempdir().unwrap();
        let frame = Frame::new(64, 32, vec![200; 64 * 32 * 3]).unwrap();
        std::fs::write(folder.path().join("a.png"), frame.to_png().unwrap()).unwrap();
        let seen = |said: &str| Seen {
            photo: "a.png".into(),
            truth: "car".into(),
            said: said.into(),
            confidence: 0.5,
        };
        let (right, wrong, unknown) = (seen("car"), seen("truck"), seen(UNKNOWN));
        let section = |photo| Section {
            heading: "before".into(),
            photos: vec![photo],
        };
        let has = |sheet: &RgbImage, colour: Rgb888| {
            sheet
                .pixels()
                .any(|p| p.0 == [colour.r(), colour.g(), colour.b()])
        };
        let sheet = draw(&[section(&right)], folder.path(), 3).unwrap();
        assert!(has(&sheet, GREEN) && !has(&sheet, RED));
        let sheet = draw(&[section(&wrong)], folder.path(), 3).unwrap();
        assert!(has(&sheet, RED) && !has(&sheet, GREEN));
        let sheet = draw(&[section(&unknown)], folder.path(), 3).unwrap();
        assert!(!has(&sheet, RED) && !has(&sheet, GREEN));
        assert!(draw(&[section(&right)], &folder.path().join("no"), 3).is_err());
    }
}
