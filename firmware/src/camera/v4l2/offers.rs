//! Which of a device's formats, sizes and frame rates is taken. Nothing here knows a device.
//!
//! The rule: of everything that is read here, take what costs least, where the cost is the ratio by
//! which the width differs from what is wanted, times that of the height, times the ratio by which
//! the frame rate falls short. (A rate above the wanted one costs nothing.) Of equals the one
//! without loss wins over a compressed one: JPEG is taken where only it reaches the size or the
//! rate, which is so on USB 2 above 640x480. Grey is taken where there is nothing with colours, or
//! where it is asked for.

use super::super::PixelFormat;

/// One format in one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub format: PixelFormat,
    pub width: u32,
    pub height: u32,
    pub rates: Rates,
}

/// Frames a second.
#[derive(Clone, Debug, PartialEq)]
pub enum Rates {
    /// The device does not tell.
    Unknown,
    These(Vec<f64>),
    Between(f64, f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    pub width: u32,
    pub height: u32,
    pub fps: f64,
    pub format: Option<PixelFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    pub format: PixelFormat,
    pub width: u32,
    pub height: u32,
    /// `None` where the device does not tell what it can do.
    pub fps: Option<f64>,
}

/// Sizes from `min` to `max` in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub min: u32,
    pub max: u32,
    pub step: u32,
}

impl Span {
    /// The nearest to `wanted` that is in it, and even where that can be.
    pub fn nearest(self, wanted: u32) -> u32 {
        let (min, max) = (self.min, self.max.max(self.min));
        // Formats that share colours between pixels need even sides.
        let step = match self.step.max(1) {
            step if step % 2 == 1 && min % 2 == 0 => step.saturating_mul(2),
            step => step,
        };
        let steps = (f64::from(wanted.clamp(min, max) - min) / f64::from(step)).round() as u32;
        let most = (max - min) / step;
        min + steps.min(most) * step
    }
}

impl Rates {
    /// The smallest rate that is enough, else the highest.
    fn nearest(&self, wanted: f64) -> Option<f64> {
        // 29.97 is enough for 30.
        let enough = wanted * 0.99;
        match self {
            Self::Unknown => None,
            Self::Between(least, most) => Some(wanted.clamp(*least, most.max(*least))),
            Self::These(rates) => {
                let all = || rates.iter().copied();
                let least = all().filter(|rate| *rate >= enough).reduce(f64::min);
                least.or_else(|| all().reduce(f64::max))
            }
        }
    }
}

/// `None` where there is nothing that is read here, or not the format that is wanted.
pub fn choose(offers: &[Offer], wanted: &Wanted) -> Option<Choice> {
    let allowed = |offer: &&Offer| match wanted.format {
        Some(format) => offer.format == format,
        None => true,
    };
    let ratio = |a: f64, b: f64| (a.max(1.0) / b.max(1.0)).ln().abs();
    let costs = offers.iter().filter(allowed).map(|offer| {
        let fps = offer.rates.nearest(wanted.fps);
        let slow = fps.map_or(0.0, |fps| (wanted.fps * 0.99 / fps).ln().max(0.0));
        let grey = f64::from(offer.format == PixelFormat::Grey) * 100.0;
        let cost = ratio(f64::from(offer.width), f64::from(wanted.width))
            + ratio(f64::from(offer.height), f64::from(wanted.height))
            + slow
            + grey;
        // Rounded, so that equals are equal.
        let cost = (cost * 1e4).round() as u64;
        let rank = PixelFormat::ALL.iter().position(|f| *f == offer.format);
        let choice = Choice {
            format: offer.format,
            width: offer.width,
            height: offer.height,
            fps,
        };
        // Of two sizes that are equally far, the larger.
        let pixels = u64::from(offer.width) * u64::from(offer.height);
        ((cost, rank, u64::MAX - pixels), choice)
    });
    costs
        .min_by_key(|(cost, _)| *cost)
        .map(|(_, choice)| choice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PixelFormat::*;
    use proptest::prelude::*;

    fn offers(format: PixelFormat, list: &[(u32, u32, &[f64])]) -> Vec<Offer> {
        list.iter()
            .map(|(width, height, rates)| Offer {
                format,
                width: *width,
                height: *height,
                rates: Rates::These(rates.to_vec()),
            })
            .collect()
    }

    const FULL: &[f64] = &[30.0, 24.0, 20.0, 15.0, 10.0, 7.5, 5.0];

    /// Logitech C920, as `v4l2-ctl --list-formats-ext` prints it, without H.264.
    fn c920() -> Vec<Offer> {
        let mut all = offers(
            Yuyv,
            &[
                (640, 480, FULL),
                (160, 90, FULL),
                (320, 240, FULL),
                (640, 360, FULL),
                (800, 600, &[24.0, 20.0, 15.0, 10.0, 7.5, 5.0]),
                (960, 720, &[15.0, 10.0, 7.5, 5.0]),
                (1280, 720, &[10.0, 7.5, 5.0]),
                (1920, 1080, &[5.0]),
                (2304, 1536, &[2.0]),
            ],
        );
        let mjpeg = [
            (640, 480),
            (160, 90),
            (320, 240),
            (640, 360),
            (800, 600),
            (960, 720),
            (1280, 720),
            (1920, 1080),
        ];
        let mjpeg: Vec<_> = mjpeg.iter().map(|(w, h)| (*w, *h, FULL)).collect();
        all.extend(offers(Mjpeg, &mjpeg));
        all
    }

    fn taken(offers: &[Offer], width: u32, height: u32, fps: f64) -> Option<Choice> {
        let wanted = Wanted {
            width,
            height,
            fps,
            format: None,
        };
        choose(offers, &wanted)
    }

    fn is(format: PixelFormat, width: u32, height: u32, fps: f64) -> Option<Choice> {
        Some(Choice {
            format,
            width,
            height,
            fps: Some(fps),
        })
    }

    #[test]
    fn without_loss_where_the_bus_carries_it_and_jpeg_where_not() {
        let c920 = c920();
        assert_eq!(taken(&c920, 640, 480, 30.0), is(Yuyv, 640, 480, 30.0));
        assert_eq!(taken(&c920, 640, 480, 12.0), is(Yuyv, 640, 480, 15.0));
        assert_eq!(taken(&c920, 1280, 720, 30.0), is(Mjpeg, 1280, 720, 30.0));
        assert_eq!(taken(&c920, 1280, 720, 10.0), is(Yuyv, 1280, 720, 10.0));
        assert_eq!(taken(&c920, 1920, 1080, 30.0), is(Mjpeg, 1920, 1080, 30.0));
    }

    #[test]
    fn the_nearest_of_what_there_is() {
        let c920 = c920();
        // Slower than asked, rather than of a quarter of the pixels.
        assert_eq!(taken(&c920, 640, 480, 60.0), is(Yuyv, 640, 480, 30.0));
        // Smaller than asked, rather than two frames a second.
        assert_eq!(taken(&c920, 2304, 1536, 30.0), is(Mjpeg, 1920, 1080, 30.0));
        assert_eq!(taken(&c920, 8192, 8192, 1.0), is(Yuyv, 2304, 1536, 2.0));
        assert_eq!(taken(&c920, 16, 16, 30.0), is(Yuyv, 160, 90, 30.0));
        // A wide camera: the wide picture of half the pixels, not of three times as many.
        let wide = offers(
            Mjpeg,
            &[(1920, 1080, FULL), (1280, 720, FULL), (640, 360, FULL)],
        );
        assert_eq!(taken(&wide, 640, 480, 30.0), is(Mjpeg, 640, 360, 30.0));
    }

    #[test]
    fn an_asked_format_is_the_only_one() {
        let mut wanted = Wanted {
            width: 640,
            height: 480,
            fps: 30.0,
            format: Some(Mjpeg),
        };
        assert_eq!(choose(&c920(), &wanted), is(Mjpeg, 640, 480, 30.0));
        wanted.format = Some(Nv12);
        assert_eq!(choose(&c920(), &wanted), None);
        assert_eq!(choose(&[], &wanted), None);
    }

    #[test]
    fn grey_only_where_there_are_no_colours() {
        // An infrared camera beside a webcam's MJPEG of half the rate.
        let mut all = offers(Grey, &[(640, 480, &[60.0])]);
        assert_eq!(taken(&all, 640, 480, 60.0), is(Grey, 640, 480, 60.0));
        all.extend(offers(Mjpeg, &[(320, 240, &[15.0])]));
        assert_eq!(taken(&all, 640, 480, 60.0), is(Mjpeg, 320, 240, 15.0));
    }

    #[test]
    fn what_a_device_does_not_tell_is_taken_for_enough() {
        let all = [Nv12, Yuyv].map(|format| Offer {
            format,
            width: 640,
            height: 480,
            rates: Rates::Unknown,
        });
        let choice = taken(&all, 640, 480, 30.0).unwrap();
        assert_eq!((choice.format, choice.fps), (Yuyv, None));
        let between = Rates::Between(1.0, 25.0);
        assert_eq!(between.nearest(30.0), Some(25.0));
        assert_eq!(between.nearest(7.0), Some(7.0));
        assert_eq!(Rates::These(vec![29.97, 59.94]).nearest(30.0), Some(29.97));
        assert_eq!(Rates::These(vec![]).nearest(30.0), None);
    }

    #[test]
    fn steps_are_kept_and_sides_are_even() {
        let span = |min, max, step| Span { min, max, step };
        assert_eq!(span(48, 3840, 2).nearest(641), 642);
        assert_eq!(span(16, 1920, 1).nearest(641), 642);
        assert_eq!(span(32, 1000, 16).nearest(650), 656);
        assert_eq!(span(32, 1000, 16).nearest(5000), 992);
        assert_eq!(span(640, 640, 0).nearest(1), 640);
    }

    proptest! {
        #[test]
        fn any_list_gives_one_of_it_or_nothing(
            list in proptest::collection::vec((0usize..7, 0u32..9000, 0u32..9000, -1.0f64..200.0), 0..8),
            width: u32, height: u32, fps in 0.01f64..1000.0,
        ) {
            let all: Vec<Offer> = list
                .iter()
                .map(|(format, width, height, rate)| Offer {
                    format: PixelFormat::ALL[*format],
                    width: *width,
                    height: *height,
                    rates: Rates::These(vec![*rate]),
                })
                .collect();
            prop_assert_eq!(taken(&all, width, height, fps).is_some(), !all.is_empty());
        }

        #[test]
        fn any_span_holds_its_nearest(min: u32, more in 0u32..10_000, step: u32, wanted: u32) {
            let max = min.saturating_add(more);
            let nearest = Span { min, max, step }.nearest(wanted);
            prop_assert!((min..=max).contains(&nearest));
        }
    }
}
