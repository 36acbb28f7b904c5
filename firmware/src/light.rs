//! What two frames have in common and how sharp one is, by brightness alone: enough to pass over
//! frames that show nothing new.

use lastlayer_shared::frame::Frame;

/// Sides of the picture in which changes are looked for, in blocks: a block averages away the
/// camera's noise.
const BLOCKS: usize = 16;

/// The mean brightness of each block of a picture, row by row.
pub struct Blocks(Vec<f32>);

impl Blocks {
    /// By how much the part that changed most did, 0..=255. Pictures of a few pixels have fewer blocks
    /// than others, and nothing in common with them.
    pub fn change(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return 255.0;
        }
        let changes = self.0.iter().zip(&other.0).map(|(a, b)| (a - b).abs());
        changes.fold(0.0, f32::max)
    }
}

/// Brightness, 0..=255, at half the crop's size: averaging four pixels takes the worst of the noise
/// away, which would count as sharpness.
pub struct Light {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Light {
    pub fn of(crop: &Frame) -> Self {
        let (width, height) = (crop.width() as usize, crop.height() as usize);
        // A frame of one pixel is its own half.
        let (step_x, step_y) = (width.min(2), height.min(2));
        let (half_width, half_height) = (width / step_x, height / step_y);
        let rgb = crop.rgb();
        let values = (0..half_height * half_width)
            .map(|at| {
                let (left, top) = (at % half_width * step_x, at / half_width * step_y);
                let mut sum = 0.0;
                for y in top..top + step_y {
                    for x in left..left + step_x {
                        let pixel = (y * width + x) * 3;
                        // Rec. 601 luma.
                        sum += 0.299 * f32::from(rgb[pixel])
                            + 0.587 * f32::from(rgb[pixel + 1])
                            + 0.114 * f32::from(rgb[pixel + 2]);
                    }
                }
                sum / (step_x * step_y) as f32
            })
            .collect();
        Self {
            width: half_width,
            height: half_height,
            values,
        }
    }

    /// The variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield
    /// microscopy", 2000): high where edges are steep.
    pub fn sharpness(&self) -> f32 {
        let at = |x: usize, y: usize| self.values[y * self.width + x];
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for y in 1..self.height.saturating_sub(1) {
            for x in 1..self.width.saturating_sub(1) {
                let around = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1);
                let laplacian = 4.0 * at(x, y) - around;
                count += 1.0;
                sum += laplacian;
                squares += laplacian * laplacian;
            }
        }
        if count == 0.0 {
            return 0.0;
        }
        let mean = sum / count;
        (squares / count - mean * mean).max(0.0)
    }

    /// The mean of each block, row by row.
    pub fn blocks(&self) -> Blocks {
        let (columns, rows) = (BLOCKS.min(self.width), BLOCKS.min(self.height));
        let mut sums = vec![(0.0, 0.0); columns * rows];
        for (at, value) in self.values.iter().enumerate() {
            let column = at % self.width * columns / self.width;
            let row = at / self.width * rows / self.height;
            let (sum, count) = &mut sums[row * columns + column];
            *sum += value;
            *count += 1.0;
        }
        Blocks(sums.into_iter().map(|(sum, count)| sum / count).collect())
    }
}
