//! The file as protobuf, before it is decoded: two bytes there can become a message of hundreds in
//! memory, so they are counted first. Formats of messages: onnx.proto3 of the ONNX project, with the
//! numbers of its fields.

use super::NetworkError;

/// Fields of all messages together. A backbone has about thirty an operator.
const MOST_FIELDS: usize = 1 << 17;
/// Bytes of a list of whole numbers that are packed; in memory it is up to eight times as long.
const MOST_PACKED: usize = 1 << 16;

#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Its own fields are few and small, or it is no message at all.
    Leaf,
}

enum Field {
    Is(Kind),
    /// Whole numbers one after another.
    Packed,
    Refused(&'static str),
}

/// What is in a field that has a length.
fn inside(kind: Kind, number: u64) -> Field {
    use Field::{Is, Packed, Refused};
    match (kind, number) {
        (Kind::Model, 7) => Is(Kind::Graph),
        (Kind::Model, 20) => Refused("what is only for training"),
        (Kind::Model, 25) => Refused("functions"),
        (Kind::Graph, 1) => Is(Kind::Node),
        (Kind::Graph, 5) => Is(Kind::Tensor),
        (Kind::Graph, 11..=13) => Is(Kind::ValueInfo),
        (Kind::Graph, 14) => Refused("quantised tensors"),
        (Kind::Graph, 15) => Refused("sparse tensors"),
        (Kind::Node, 5) => Is(Kind::Attribute),
        (Kind::Attribute, 5) => Is(Kind::Tensor),
        (Kind::Attribute, 8) => Packed,
        (Kind::Attribute, 6 | 11) => Refused("graphs inside operators"),
        (Kind::Attribute, 9 | 10 | 15 | 22 | 23) => Refused("lists of tensors or texts"),
        (Kind::Tensor, 1 | 5 | 7 | 11) => Packed,
        (Kind::Tensor, 3 | 13) => Refused("numbers that are in another file"),
        (Kind::Tensor, 6) => Refused("tensors of text"),
        (Kind::ValueInfo, 2) => Is(Kind::Type),
        (Kind::Type, 1) => Is(Kind::TensorType),
        (Kind::TensorType, 2) => Is(Kind::Shape),
        (
            Kind::Model
            | Kind::Graph
            | Kind::Node
            | Kind::Attribute
            | Kind::Tensor
            | Kind::ValueInfo
            | Kind::Type
            | Kind::TensorType
            | Kind::Shape
            | Kind::Leaf,
            _,
        ) => Is(Kind::Leaf),
    }
}

pub fn check(model: &[u8]) -> Result<(), NetworkError> {
    let mut fields = 0;
    message(Kind::Model, model, &mut fields)
}

/// As deep as `inside` goes and no deeper.
fn message(kind: Kind, mut bytes: &[u8], fields: &mut usize) -> Result<(), NetworkError> {
    let refused = |what: String| Err(NetworkError::Refused(what));
    while !bytes.is_empty() {
        *fields += 1;
        if *fields > MOST_FIELDS {
            return refused(format!("it has more than {MOST_FIELDS} fields"));
        }
        let key = varint(&mut bytes)?;
        match key & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            5 => drop(take(&mut bytes, 4)?),
            2 => {
                let length = varint(&mut bytes)?;
                let content = take(&mut bytes, length)?;
                match inside(kind, key >> 3) {
                    Field::Is(Kind::Leaf) => (),
                    Field::Is(kind) => message(kind, content, fields)?,
                    Field::Packed if content.len() <= MOST_PACKED => (),
                    Field::Packed => {
                        return refused("it has a list of too many whole numbers".into());
                    }
                    Field::Refused(what) => return refused(format!("it has {what}")),
                }
            }
            _ => return Err(damaged()),
        }
    }
    Ok(())
}

fn damaged() -> NetworkError {
    NetworkError::NotOnnx("it is damaged or cut short".into())
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], NetworkError> {
    let length = usize::try_from(length).map_err(|_| damaged())?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, NetworkError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(damaged())
}
