//! The part of Python's pickle format that torch writes weights with.
//!
//! A pickle is a program for a small stack machine, and Python's own reader lets it call anything.
//! This one knows only the operations and the names below; everything else is refused, nothing is
//! ever called. Values live in one arena and refer to each other by number, as the format's memo
//! does. Every step of a program adds at most a few hundred bytes beside a name that it takes out of
//! the file, and a program may have `MOST_STEPS` steps: no file makes this reader take more than
//! some hundred megabytes beside its own length.

mod calls;
mod machine;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use super::state_dict::{Number, WeightsError};

/// The most operations of one program. A tensor takes about forty; a state dict with its
/// optimiser's state has a few thousand tensors.
const MOST_STEPS: usize = 1 << 20;
/// The longest text, in bytes, that can be a name. A program may use one as often as it has steps.
const MOST_NAME: usize = 4096;
/// The most dimensions of a tensor.
const MOST_SIDES: usize = 8;

/// Index into `Values`.
pub type Id = u32;

/// Kept small, for there may be `MOST_STEPS` of them.
#[derive(Clone, Debug)]
pub enum Value {
    Nothing,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    /// Bytes that are not text, or longer than any name: of no use here, and not kept.
    Bytes,
    Tuple(Box<[Id]>),
    List(Vec<Id>),
    /// Keys with their values, in order; a key may come again.
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Storage(Rc<Storage>),
    Tensor(Rc<TensorView>),
}

/// The only names that may be looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Number),
}

/// Numbers in a place of their own in the file.
#[derive(Debug)]
pub struct Storage {
    /// Names the place.
    pub key: Rc<str>,
    pub number: Number,
    /// Numbers in it.
    pub count: usize,
}

/// A window on a storage. Offset and strides count numbers; nothing is checked against the storage
/// yet.
#[derive(Debug)]
pub struct TensorView {
    pub storage: Rc<Storage>,
    pub offset: usize,
    /// At most `MOST_SIDES`.
    pub shape: Box<[usize]>,
    /// At most `MOST_SIDES`, maybe not as many as the shape has.
    pub strides: Box<[usize]>,
}

/// All values of one program.
#[derive(Debug, Default)]
pub struct Values(Vec<Value>);

impl Values {
    /// `id` is one that these values, and no others, have given out.
    pub fn get(&self, id: Id) -> &Value {
        &self.0[id as usize]
    }

    fn get_mut(&mut self, id: Id) -> &mut Value {
        &mut self.0[id as usize]
    }

    fn add(&mut self, value: Value) -> Id {
        self.0.push(value);
        // A step makes one value, and there are few enough steps.
        (self.0.len() - 1) as Id
    }
}

/// Runs one pickle and leaves `input` behind its end. Returns the value it makes. A pickle that ends
/// early, asks for what is not known here, or has too many steps is an error.
pub fn read(input: &mut &[u8]) -> Result<(Values, Id), WeightsError> {
    machine::run(input)
}

fn damaged(what: &str) -> WeightsError {
    WeightsError::Damaged(what.into())
}
