//! One operator of the file: its attributes, which must be those that it has, of their types.

use tract_onnx::pb::{
    AttributeProto, NodeProto, TensorProto, attribute_proto::AttributeType as Type,
};

use super::{MOST_NAME, MOST_SIDE, operators, short};

/// More than any operator of a backbone reads or makes.
const MOST_EDGES: usize = 64;
/// More than any list of strides, pads or axes.
const MOST_LIST: usize = 64;

pub struct Node<'a> {
    proto: &'a NodeProto,
}

impl<'a> Node<'a> {
    pub fn new(proto: &'a NodeProto) -> Self {
        Self { proto }
    }

    pub fn op(&self) -> &'a str {
        &self.proto.op_type
    }

    pub fn inputs(&self) -> &'a [String] {
        &self.proto.input
    }

    pub fn outputs(&self) -> &'a [String] {
        &self.proto.output
    }

    /// That it is an operator of backbones, with attributes that it has, each once and well-formed.
    pub fn check(&self) -> Result<(), String> {
        let proto = self.proto;
        let known = match proto.domain.as_str() {
            "" | "ai.onnx" => operators::ALLOWED.iter().find(|(op, _)| *op == self.op()),
            _ => None,
        };
        let Some((_, attributes)) = known else {
            return Err("is not one that backbones are made of".into());
        };
        if proto.name.len() > MOST_NAME {
            return Err("has a name that is too long".into());
        }
        if proto.input.len() > MOST_EDGES || proto.output.len() > MOST_EDGES {
            return Err(format!("has more than {MOST_EDGES} inputs or outputs"));
        }
        for (at, attribute) in proto.attribute.iter().enumerate() {
            let name = attribute.name.as_str();
            let before = &proto.attribute[..at];
            if !attributes.contains(&name) || before.iter().any(|other| other.name == name) {
                return Err(format!(
                    "has the attribute {}, or has it twice",
                    short(name)
                ));
            }
            well_formed(attribute)
                .map_err(|reason| format!("has the attribute {name} {reason}"))?;
        }
        Ok(())
    }

    fn attribute(&self, name: &str, kind: Type) -> Result<Option<&'a AttributeProto>, String> {
        match self.proto.attribute.iter().find(|a| a.name == name) {
            Some(attribute) if attribute.r#type == i32::from(kind) => Ok(Some(attribute)),
            Some(_) => Err(format!("has the attribute {name} of another type")),
            None => Ok(None),
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.proto.attribute.iter().any(|a| a.name == name)
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>, String> {
        Ok(self.attribute(name, Type::Int)?.map(|a| a.i))
    }

    /// 0 or 1.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(_) => Err(format!("has a {name} that is neither 0 nor 1")),
        }
    }

    pub fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, String> {
        Ok(self.attribute(name, Type::Ints)?.map(|a| &*a.ints))
    }

    pub fn float(&self, name: &str) -> Result<Option<f32>, String> {
        Ok(self.attribute(name, Type::Float)?.map(|a| a.f))
    }

    pub fn floats(&self, name: &str) -> Result<Option<&'a [f32]>, String> {
        Ok(self.attribute(name, Type::Floats)?.map(|a| &*a.floats))
    }

    pub fn tensor(&self, name: &str) -> Result<Option<&'a TensorProto>, String> {
        let attribute = self.attribute(name, Type::Tensor)?;
        Ok(attribute.and_then(|a| a.t.as_ref()))
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let text = self.attribute(name, Type::String)?;
        text.map(|a| std::str::from_utf8(&a.s).map_err(|_| format!("has a {name} that is no text")))
            .transpose()
    }
}

/// That what tract reads without asking further is bounded.
fn well_formed(attribute: &AttributeProto) -> Result<(), String> {
    let kinds = [
        Type::Int,
        Type::Ints,
        Type::Float,
        Type::Floats,
        Type::String,
        Type::Tensor,
    ];
    if !kinds
        .iter()
        .any(|&kind| attribute.r#type == i32::from(kind))
        || !attribute.ref_attr_name.is_empty()
    {
        return Err("of a type that backbones have not".into());
    }
    if attribute.ints.len() > MOST_LIST || attribute.floats.len() > MOST_LIST {
        return Err(format!("with more than {MOST_LIST} numbers"));
    }
    // `ends` says "to the end" with the largest number there is.
    let far = |&i: &i64| i.unsigned_abs() > MOST_SIDE as u64 && attribute.name != "ends";
    if far(&attribute.i) || attribute.ints.iter().any(far) {
        return Err("with a number that is too large".into());
    }
    if !attribute.floats.iter().all(|f| f.is_finite()) || !attribute.f.is_finite() {
        return Err("with a number that is not finite".into());
    }
    Ok(())
}
