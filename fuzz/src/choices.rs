//! Choices that the bytes of an input make.

use lastlayer_host::graph::onnx::{self, AttributeProto, DataType, TensorProto};

const ATTRIBUTES: &str = "\
    allowzero alpha auto_pad axes axis batch_dims beta block_size blocksize ceil_mode \
    count_include_pad dilations ends epsilon equation group hidden_size k keepdims kernel_shape \
    largest mode num_outputs output_shape pads perm size split starts strides to value";
/// Texts that attributes may hold.
const TEXTS: &str = "SAME_UPPER VALID NOTSET linear nearest reflect constant ij,jk->ik";
/// Sides, axes and counts; one byte of the input chooses.
#[rustfmt::skip]
pub const NUMBERS: [i64; 16] = [
    0, 1, 2, 3, 4, 5, 7, 8, 32, 127, 1000, -1, -2, 1 << 20, i64::MAX, i64::MIN,
];

/// Every byte of the input is a choice; what is missing is 0.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    pub fn next(&mut self) -> usize {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first.into()
    }

    pub fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.next() % items.len()].clone()
    }

    /// One of the words of a text.
    pub fn word(&mut self, words: &'static str) -> &'static str {
        let count = words.split(' ').count();
        words
            .split(' ')
            .nth(self.next() % count)
            .unwrap_or_default()
    }

    pub fn numbers(&mut self) -> Vec<i64> {
        (0..self.next() % 5).map(|_| self.of(&NUMBERS)).collect()
    }

    /// Whole numbers, as operators take shapes and axes.
    pub fn tensor(&mut self, name: &str) -> TensorProto {
        let numbers = self.numbers();
        TensorProto {
            name: name.into(),
            dims: vec![numbers.len() as i64],
            data_type: DataType::Int64.into(),
            raw_data: numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..TensorProto::default()
        }
    }

    pub fn attribute(&mut self) -> AttributeProto {
        let name = self.word(ATTRIBUTES);
        match self.next() % 5 {
            0 => onnx::int(name, self.of(&NUMBERS)),
            1 => onnx::ints(name, &self.numbers()),
            2 => onnx::float(name, self.of(&NUMBERS) as f32),
            3 => AttributeProto {
                s: self.word(TEXTS).into(),
                r#type: onnx::AttributeType::String.into(),
                ..onnx::int(name, 0)
            },
            _ => AttributeProto {
                t: Some(self.tensor(name)),
                r#type: onnx::AttributeType::Tensor.into(),
                ..onnx::int(name, 0)
            },
        }
    }
}
